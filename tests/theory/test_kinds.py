import pytest

from keras_initlab.theory import Fans, Kind

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("kind", "shape", "fans"),
    [
        # 3 * 3 * 8 in; 3 * 3 * 16 out, of which a stride of 2 x 2 leaves a quarter: 36
        (Kind(strides=2), (3, 3, 8, 16), Fans(72, 36)),
        # 16 / 4 channels of the group: 3 * 3 * 2 in; 3 * 3 * 16 / 4 out
        (Kind(groups=4), (3, 3, 2, 16), Fans(18, 36)),
        # one channel each: 3 * 3 in, 3 * 3 * 2 out
        (Kind("depthwise"), (3, 3, 32, 2), Fans(9, 18)),
        (Kind("depthwise", strides=(3, 1)), (3, 3, 32, 2), Fans(9, 6)),
        # kernel (window, outputs, inputs): 4 * 4 * 64 / 4 in, 4 * 4 * 16 out
        (Kind("transposed", strides=2), (4, 4, 16, 64), Fans(256, 256)),
        (Kind("transposed"), (3, 3, 16, 64), Fans(576, 144)),
        (Kind("lookup"), (10_000, 16), Fans(1, 16)),
        # an LSTM's (32, 4 * 8): each gate has 8 units
        (Kind(gates=4), (32, 32), Fans(32, 8)),
    ],
)
def test_fans_of_a_kind_are_those_worked_by_hand(kind, shape, fans):
    assert kind.fans(shape) == fans


def test_experts_share_no_connections():
    # 8 experts of 16 inputs and 4 outputs; Keras counts all 32 outputs.
    fans = Kind(groups=8).fans((8, 16, 4), input_axes=[1], output_axes=[0, 2])

    assert fans == Fans(16, 4)


@pytest.mark.parametrize(
    ("kind", "shape"), [("depthwise", (8, 4)), ("transposed", (8, 4)), ("lookup", (3, 8, 4))]
)
def test_shape_of_another_layer_is_refused(kind, shape):
    with pytest.raises(ValueError, match=r"has shape .* as `.*` makes it\. Received: shape="):
        Kind(kind).fans(shape)


@pytest.mark.parametrize("name", ["strides", "groups", "gates"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_number_of_a_kind_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        Kind(**{name: value})


def test_strides_must_fit_the_window():
    with pytest.raises(ValueError, match=r"Received: strides=\(2,\) for a window of 2 axes"):
        Kind(strides=(2,)).fans((3, 3, 8, 16))
