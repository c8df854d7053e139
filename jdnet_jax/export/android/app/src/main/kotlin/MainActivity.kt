package jdnet.student

import android.Manifest
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.os.Bundle
import android.os.SystemClock
import android.widget.CheckBox
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import java.util.Locale
import java.util.concurrent.Executors

/** The camera's pictures one after the other, each with the five most probable classes; nothing leaves the phone. */
class MainActivity : ComponentActivity() {
    private val worker = Executors.newSingleThreadExecutor()
    private lateinit var student: Student
    private lateinit var photoView: PhotoView
    private lateinit var answerView: TextView

    private val permission =
        registerForActivityResult(ActivityResultContracts.RequestPermission()) { granted ->
            if (granted) start() else answerView.setText(R.string.no_camera)
        }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        student = Student(this)
        photoView = findViewById(R.id.photo)
        answerView = findViewById(R.id.answer)
        findViewById<CheckBox>(R.id.show_map).setOnCheckedChangeListener { _, checked -> photoView.showsMap = checked }
        if (checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED) {
            start()
        } else {
            permission.launch(Manifest.permission.CAMERA)
        }
    }

    override fun onDestroy() {
        super.onDestroy()
        worker.execute { student.close() } // behind the picture that it may be looking at
        worker.shutdown()
    }

    private fun start() {
        val provider = ProcessCameraProvider.getInstance(this)
        provider.addListener(
            {
                val pictures =
                    ImageAnalysis.Builder()
                        .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                        .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                        .setOutputImageRotationEnabled(true) // upright
                        .build()
                pictures.setAnalyzer(worker) { picture -> look(picture) }
                provider.get().unbindAll()
                provider.get().bindToLifecycle(this, CameraSelector.DEFAULT_BACK_CAMERA, pictures)
            },
            ContextCompat.getMainExecutor(this),
        )
    }

    private fun look(picture: ImageProxy) {
        val photo = picture.use { it.toBitmap() }
        val pixels = IntArray(photo.width * photo.height)
        photo.getPixels(pixels, 0, photo.width, 0, 0, photo.width, photo.height)
        val begin = SystemClock.elapsedRealtime()
        val answer = student.look(networkView(pixels, photo.width, photo.height, Model.IMAGE_SIZE, Model.SHORTER_SIDE))
        val milliseconds = SystemClock.elapsedRealtime() - begin
        runOnUiThread { show(photo, answer, milliseconds) }
    }

    private fun show(photo: Bitmap, answer: Answer, milliseconds: Long) {
        photoView.show(photo, answer)
        val lines = answer.top.map { (name, share) -> String.format(Locale.ROOT, "%5.1f %%  %s", 100 * share, name) }
        val doubt = if (answer.top.first().second < Model.NOT_SURE_BELOW) listOf(getString(R.string.not_sure)) else listOf()
        answerView.text = (doubt + lines + "$milliseconds ms").joinToString("\n")
    }
}
