"""The originals of the CIFAR-size networks, for parity_reference.py: made of classes of timm and torchvision.

Those of the libraries are for larger images, so each gets the stem of pytorch-cifar. Only DPN-92's blocks are written
out here, since timm's have BatchNorm before the convolutions and pytorch-cifar's behind them. The heads average over
all positions, so that images of any size can be compared.
"""

import collections
import functools

import timm
import torch
from timm.layers import BatchNormAct2d, ClassifierHead, create_conv2d
from timm.models.densenet import DenseNet
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.resnetv2 import ResNetV2
from torch import nn
from torchvision.models import vgg
from torchvision.models.googlenet import Inception


def build(name):
    """The network, with 1000 classes, and the modules whose outputs are its stages."""
    return BUILDERS[name]()


def follow_activations(model, size, generator):
    """Draws BatchNorm's statistics around those of random images.

    With any others the logits of a deep network without shortcuts hardly depend on the image.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn((2, 3, *size), generator=generator))
    for norm in norms:
        shift, factor = torch.rand((2, norm.num_features), generator=generator) - 0.5
        norm.running_mean += 0.4 * shift * norm.running_var.sqrt()
        norm.running_var *= 1 + 0.8 * factor


def vgg19_bn():
    """torchvision's layers; its head is three linear layers."""
    model = nn.Sequential(
        collections.OrderedDict(
            features=vgg.make_layers(vgg.cfgs["E"], batch_norm=True),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(512, 1000),
        )
    )
    pools = [i for i, module in enumerate(model.features) if isinstance(module, nn.MaxPool2d)]
    return model, [f"features.{i - 1}" for i in pools]


def resnet18():
    """timm's."""
    model = ResNet(BasicBlock, (2, 2, 2, 2))
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return model, ["layer1", "layer2", "layer3", "layer4"]


def resnext29_2x64d():
    """timm's."""
    model = ResNet(Bottleneck, (3, 3, 3), channels=(64, 128, 256), cardinality=2, base_width=64)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 1, bias=False), nn.Identity()
    model.layer4 = nn.Identity()
    return model, ["act1", "layer1", "layer2", "layer3"]


def preact_resnet18():
    """timm's, without the last BatchNorm and ReLU."""
    model = ResNetV2(
        (2, 2, 2, 2),
        channels=(64, 128, 256, 512),
        basic=True,
        bottle_ratio=1,
        norm_layer=BatchNormAct2d,
        conv_layer=functools.partial(create_conv2d, padding=""),
    )
    model.stem = nn.Sequential(collections.OrderedDict(conv=nn.Conv2d(3, 64, 3, padding=1, bias=False)))
    model.norm = nn.Identity()
    model.head = ClassifierHead(512, 1000)
    return model, [f"stages.{i}" for i in range(4)]


class ConvNorm(nn.Module):
    """What torchvision's Inception is made of, with a bias and PyTorch's epsilon."""

    def __init__(self, inputs, outputs, **options):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, **options), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


def googlenet():
    """torchvision's Inception modules, with a second 3x3 convolution in the third branch."""
    layers = collections.OrderedDict(conv1=ConvNorm(3, 192, kernel_size=3, padding=1))
    inputs = 192
    for name, *widths in (
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ):
        if name in ("4a", "5a"):
            layers[f"pool{name}"] = nn.MaxPool2d(3, stride=2, padding=1)
        module = Inception(inputs, *widths, conv_block=ConvNorm)
        module.branch3.append(ConvNorm(widths[4], widths[4], kernel_size=3, padding=1))
        layers[f"inception{name}"] = module
        inputs = widths[0] + widths[2] + widths[4] + widths[5]
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(inputs, 1000)}
    return nn.Sequential(layers), ["conv1", "inception3b", "inception4e", "inception5b"]


def densenet():
    """timm's."""
    model = DenseNet(growth_rate=40, block_config=(8, 24, 24))
    model.features.conv0 = nn.Conv2d(3, 80, 3, padding=1, bias=False)
    model.features.norm0, model.features.pool0 = nn.Identity(), nn.Identity()
    return model, ["features.conv0", "features.denseblock1", "features.denseblock2", "features.norm5"]


def mobilenet():
    """timm's."""
    model = timm.create_model("mobilenetv1_100", pretrained=False, num_classes=1000, act_layer=nn.ReLU)
    model.conv_stem.stride = (1, 1)
    return model, [f"blocks.{i}" for i in range(5)]


class DualPathBlock(nn.Module):
    """A block of DPN (Chen et al., 2017) with BatchNorm behind the convolutions, named as in pytorch-cifar."""

    def __init__(self, inputs, width, residual, growth, stride, project):
        super().__init__()
        self.residual = residual
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=32, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, residual + growth, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(residual + growth)
        if project:
            conv = nn.Conv2d(inputs, residual + growth, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(residual + growth))
        else:
            self.shortcut = nn.Identity()

    def forward(self, paths):
        y = torch.relu(self.bn1(self.conv1(paths)))
        y = torch.relu(self.bn2(self.conv2(y)))
        more_residual, more_dense = self.bn3(self.conv3(y)).tensor_split([self.residual], dim=1)
        residual, dense = self.shortcut(paths).tensor_split([self.residual], dim=1)
        return torch.relu(torch.cat([residual + more_residual, dense, more_dense], dim=1))


def dpn92():
    """Of the blocks above."""
    layers = collections.OrderedDict(
        conv1=nn.Conv2d(3, 64, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(64), relu1=nn.ReLU()
    )
    inputs = 64
    for stage, (depth, growth) in enumerate(((3, 16), (4, 32), (20, 24), (3, 128))):
        width, residual, blocks = 96 << stage, 256 << stage, []
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            blocks.append(DualPathBlock(inputs, width, residual, growth, stride, project=block == 0))
            inputs = residual + (block + 2) * growth
        layers[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "linear": nn.Linear(inputs, 1000)}
    return nn.Sequential(layers), ["layer1", "layer2", "layer3", "layer4"]


BUILDERS = {
    "cifar_vgg19_bn": vgg19_bn,
    "cifar_resnet18": resnet18,
    "cifar_preact_resnet18": preact_resnet18,
    "cifar_googlenet": googlenet,
    "cifar_densenet": densenet,
    "cifar_resnext29_2x64d": resnext29_2x64d,
    "cifar_mobilenet": mobilenet,
    "cifar_dpn92": dpn92,
}
