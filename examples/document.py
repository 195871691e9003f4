"""The document's VideoGenerator on one moving digit: compile, fit, predict. Run it with the folder of MNIST's files."""

import sys

import torch

import vidwright as vw
from vidwright.data.moving_mnist import MovingMnist

folder, width, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
digits = MovingMnist(folder, digits=1, size=32, digit=16, frames=8)
made = [digits.sample(0, k) for k in range(count)]
clips = torch.stack([each["clip"] for each in made]) / 255  # (N, T, 1, 32, 32)
labels = torch.cat([each["labels"] for each in made])  # (N,)
kept = count // 10

model = vw.VideoGenerator(num_classes=10, width=width)
model.compile(optimiser="adam", loss="categorical_crossentropy")
for epoch in model.fit(clips[kept:], labels[kept:], epochs=3, validation=(clips[:kept], labels[:kept])):
    print(epoch)
print(model.predict(clips[:5]).argmax(dim=1).tolist(), "should be", labels[:5].tolist())
