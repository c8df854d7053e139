package jdnet.student

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

// The evaluation view of the training, pixel for pixel: Android's own resizing is another, and a network sees the
// difference. Mean and deviation are inside the student's file.

/** What one output pixel of an axis is made of: the input's pixels from [start] on, by [weights] that sum to 1. */
class Taps(val start: Int, val weights: FloatArray) {
    val end get() = start + weights.size
}

/**
 * Bilinear interpolation, antialiased where the picture shrinks, of [count] output pixels from [begin] on.
 *
 * Output pixel i has its centre at (i + 1/2) inputSize / outputSize of the input. The triangle about it is as much wider
 * than a pixel as the input is larger than the output.
 */
fun taps(inputSize: Int, outputSize: Int, begin: Int, count: Int): List<Taps> {
    val ratio = inputSize.toDouble() / outputSize
    val width = max(ratio, 1.0)
    return List(count) { i ->
        val center = (begin + i + 0.5) * ratio
        val first = max(0, ceil(center - width - 0.5).toInt())
        val last = min(inputSize - 1, floor(center + width - 0.5).toInt())
        val weights = DoubleArray(last - first + 1) { max(0.0, 1 - abs((first + it + 0.5 - center) / width)) }
        val sum = weights.sum()
        Taps(first, FloatArray(weights.size) { (weights[it] / sum).toFloat() })
    }
}

/**
 * What the network sees of a photo: RGB bytes, [imageSize, imageSize, 3].
 *
 * @param pixels of the photo, upright, as `Bitmap.getPixels` gives them
 */
fun networkView(pixels: IntArray, width: Int, height: Int, imageSize: Int, shorterSide: Int): ByteArray {
    val scale = shorterSide.toDouble() / min(width, height)
    val resizedWidth = round(width * scale).toInt() // halves go to the even number, as in TensorFlow
    val resizedHeight = round(height * scale).toInt()
    val across = taps(width, resizedWidth, (resizedWidth - imageSize) / 2, imageSize)
    val down = taps(height, resizedHeight, (resizedHeight - imageSize) / 2, imageSize)
    val top = down.minOf { it.start }
    val rowLength = imageSize * 3
    val narrow = FloatArray((down.maxOf { it.end } - top) * rowLength)
    var to = 0
    for (row in top until down.maxOf { it.end }) {
        for (tap in across) {
            var red = 0f
            var green = 0f
            var blue = 0f
            for (i in tap.weights.indices) {
                val pixel = pixels[row * width + tap.start + i]
                red += tap.weights[i] * (pixel shr 16 and 255)
                green += tap.weights[i] * (pixel shr 8 and 255)
                blue += tap.weights[i] * (pixel and 255)
            }
            narrow[to++] = red
            narrow[to++] = green
            narrow[to++] = blue
        }
    }
    val view = ByteArray(imageSize * rowLength)
    for ((y, tap) in down.withIndex()) {
        for (x in 0 until rowLength) {
            var sum = 0f
            for (i in tap.weights.indices) {
                sum += tap.weights[i] * narrow[(tap.start - top + i) * rowLength + x]
            }
            view[y * rowLength + x] = (sum + 0.5f).toInt().coerceIn(0, 255).toByte()
        }
    }
    return view
}
