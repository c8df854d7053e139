package jdnet.student

import android.content.Context
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import java.nio.channels.FileChannel
import org.tensorflow.lite.Interpreter

private const val SIGNATURE = "serving_default"
private const val THREADS = 4
private const val TOP = 5

/** The most probable classes, best first, and the activation map of the first, [rows] by [columns], not negative. */
class Answer(val top: List<Pair<String, Float>>, val map: FloatArray, val rows: Int, val columns: Int)

/** The student's file, opened with LiteRT; for one thread at a time. */
class Student(context: Context) : AutoCloseable {
    private val classes = context.assets.open(Model.LABELS).bufferedReader().use { it.readLines() }
    private val interpreter = Interpreter(mapped(context), Interpreter.Options().setNumThreads(THREADS))
    private val grid = interpreter.getOutputTensorFromSignature("activation", SIGNATURE).shape() // [1, rows, columns, 1]
    private val image =
        ByteBuffer.allocateDirect(3 * Model.IMAGE_SIZE * Model.IMAGE_SIZE).order(ByteOrder.nativeOrder())

    /** Looks at what [networkView] made of a photo. */
    fun look(view: ByteArray): Answer {
        image.rewind()
        image.put(view)
        image.rewind()
        val probabilities = FloatBuffer.allocate(classes.size)
        val map = FloatBuffer.allocate(grid[1] * grid[2])
        interpreter.runSignature(
            mapOf<String, Any>("image" to image),
            mapOf<String, Any>("probabilities" to probabilities, "activation" to map),
            SIGNATURE,
        )
        val values = probabilities.array()
        val best = values.indices.sortedByDescending { values[it] }.take(TOP)
        return Answer(best.map { classes[it] to values[it] }, map.array(), grid[1], grid[2])
    }

    override fun close() = interpreter.close()

    private fun mapped(context: Context): ByteBuffer =
        context.assets.openFd(Model.FILE).use { file ->
            FileInputStream(file.fileDescriptor).use { stream ->
                stream.channel.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
            }
        }
}
