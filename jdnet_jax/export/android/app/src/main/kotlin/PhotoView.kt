package jdnet.student

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.RectF
import android.util.AttributeSet
import android.view.View
import kotlin.math.min

private const val OPACITY = 140 // of 255

/** A photo, the square of it that the network saw, and in colours where in it the network looked. */
class PhotoView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private val colors = Model.COLORS.chunked(6).map { 0xFF000000.toInt() or it.toInt(16) }
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val pale = Paint(Paint.FILTER_BITMAP_FLAG).apply { alpha = OPACITY }
    private val line =
        Paint().apply {
            color = Color.WHITE
            style = Paint.Style.STROKE
            strokeWidth = 2 * resources.displayMetrics.density
        }
    private var photo: Bitmap? = null
    private var map: Bitmap? = null

    /** Whether the colours are drawn. */
    var showsMap = true
        set(value) {
            field = value
            invalidate()
        }

    /** Shows another photo with what the student says of it. */
    fun show(photo: Bitmap, answer: Answer) {
        this.photo = photo
        map = colored(answer)
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val photo = photo ?: return
        val scale = min(width.toFloat() / photo.width, height.toFloat() / photo.height)
        canvas.drawBitmap(photo, null, centered(photo.width * scale, photo.height * scale), smooth)
        val side = min(photo.width, photo.height) * scale * Model.IMAGE_SIZE / Model.SHORTER_SIDE
        val seen = centered(side, side)
        map?.takeIf { showsMap }?.let { canvas.drawBitmap(it, null, seen, pale) }
        canvas.drawRect(seen, line)
    }

    private fun centered(across: Float, down: Float) =
        RectF((width - across) / 2, (height - down) / 2, (width + across) / 2, (height + down) / 2)

    /** The map relative to its highest value; none where nothing speaks for the class. */
    private fun colored(answer: Answer): Bitmap? {
        val highest = answer.map.max()
        if (!(highest > 0)) return null
        val pixels = IntArray(answer.map.size) { colors[(answer.map[it] / highest * (colors.size - 1)).toInt()] }
        return Bitmap.createBitmap(pixels, answer.columns, answer.rows, Bitmap.Config.ARGB_8888)
    }
}
