package jdnet.student

/** What the student's `model.json` says of it; written by jdnet_jax, so export again rather than change it. */
object Model {
    const val NAME = @NAME@

    /** Its file among the assets, and the names of its classes there, one a line. */
    const val FILE = "student.tflite"
    const val LABELS = "labels.txt"

    /** A photo's shorter side is resized to [SHORTER_SIDE] pixels, and the central square of [IMAGE_SIZE] cut out. */
    const val SHORTER_SIDE = @SHORTER_SIDE@
    const val IMAGE_SIZE = @IMAGE_SIZE@

    /** Below this probability of its best guess the student is not sure that it knows what it sees; 0 = it always is. */
    const val NOT_SURE_BELOW = @NOT_SURE_BELOW@

    /** The colours of an activation map, from little to much: six hexadecimal digits each. */
    const val COLORS =
@COLORS@
}
