"""Images a second of a torchvision DataLoader: run by input_vs_torchvision.py in an environment that has it.

    python torchvision_loader.py FOLDER_OR_LIST SECONDS BATCH

Two workers, PIL, RandomResizedCrop(224), flip, normalise, shuffled. The first argument is a text file with one path of
a JPEG file on each line.
"""

import statistics
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

WINDOWS = 5


class Photos(torch.utils.data.Dataset):
    def __init__(self, paths):
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self):
        return 10**9 // len(self.paths) * len(self.paths)  # endless, so that no time goes into starting workers

    def __getitem__(self, index):
        with Image.open(self.paths[index % len(self.paths)]) as image:
            return self.transform(image.convert("RGB")), 0


class Endless(torch.utils.data.Sampler):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        while True:
            yield from torch.randperm(self.count).tolist()


def main(list_file, seconds, batch_size):
    paths = Path(list_file).read_text().splitlines()
    loader = torch.utils.data.DataLoader(
        Photos(paths), batch_size=batch_size, sampler=Endless(len(paths)), num_workers=2
    )
    batches = iter(loader)

    def rate():
        began, images = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds / WINDOWS:
            images += len(next(batches)[1])
        return images / elapsed

    rate()
    print(statistics.median(rate() for _ in range(WINDOWS)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
