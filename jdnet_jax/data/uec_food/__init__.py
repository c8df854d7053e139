"""UECFood-256 and UECFood-100: photos of Japanese and other food with boxes, 256 and 100 classes, five folds.

Kawano and Yanai, "Automatic Expansion of a Food Image Dataset Leveraging Existing Categories with Domain Adaptation",
ECCV workshops 2014 (256 classes); Matsuda and Yanai, "Multiple-Food Recognition Considering Co-occurrence Employing
Manifold Ranking", ICPR 2012 (100 classes). http://foodcam.mobi/dataset256.html, http://foodcam.mobi/dataset100.html.

The files: `UECFOOD256/{1..256}/<number>.jpg` with `bb_info.txt` (boxes) beside the photos, `category.txt` (names) and
`multiple_food.txt` above them; the lists of the folds come by themselves as `uecfood256_split/val{0..4}.txt`. Both are
read where they lie, unpacked or as zip archives; nothing is unpacked.

Peculiarities of the files, and how the builder treats them (the counts are published ones; we have not had the files):

1. The lists do not cover the files: val0 to val4 of UECFood-256 hold 5,754, 5,708, 5,659, 5,611 and 5,548 of 31,395. So
   "everything that val0 does not list" and "the other four lists" are different training sets. The option `train`
   chooses; the default is the former, the larger one.
2. A photo of several foods is stored in the folder of each of them: the same picture under several labels, which may
   lie in train under one and in the test list under another. Copies are found by the SHA-256 of the files. Photos of
   train whose picture is in the test list are dropped, whatever their label (option `dedupe`), and listed under
   `duplicates` in the metadata of the prepared dataset. Inside one split copies stay: each is an example of its
   folder's label, as the lists count them. With `crop='full'` no network can be right on all of them; the protocol line
   says how many they are.
3. Boxes may exceed the picture: they are clipped. A photo that has no box, or none with any area once clipped, is kept
   whole and counted, because otherwise the accuracy would not be on the photos of the list. Of several boxes of the
   class the largest counts: one example for each file, as in the lists. Box corners are taken as [x1, x2) x [y1, y2).
4. Papers differ in all of this, in the split (five folds, 80/20, 70/15/15) and in whether they crop to the box, so no
   two numbers compare without the protocol. The protocol line, which every run prints and keeps, states it.
5. Each text file but the lists begins with a header line; lines may end as on Windows. Classes 40 and 67 are both named
   "omelet" in the names that others publish: a name that occurs twice gets its class number.
6. The papers train on all that is not tested, and report the test list. Here `val` is a tenth of that, held out by
   class and by picture, so that no picture is in two splits (`jdnet_jax.data.hold_out`); `train+val` is the whole.

`crop='full'` is the default because a phone that recognises a dish gets no box. `crop='box'` stores the box
alone, encoded again as JPEG of quality 95 without chroma subsampling. On 60 photos of the Grocery Store Dataset that
took three times the bytes for each pixel and left a mean PSNR of 41 dB (quality 100: six times, 42 dB; PNG: nine
times). A photo whose box is the whole picture keeps its bytes.
"""

from jdnet_jax.data.uec_food.builder import create

__all__ = ["create"]
