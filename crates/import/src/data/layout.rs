//! The order of the numbers of an image: channels first or channels last.
//!
//! A network says by the shape of its input how it takes images: `[C, H, W]` (what torch exports),
//! `[H, W, C]` (what TensorFlow does), or flattened. Dimensions of 1 in front are those of a batch
//! and say nothing.

/// How many channels, rows and columns an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Size {
    /// Numbers of an image.
    pub(super) fn len(self) -> usize {
        [self.channels, self.height, self.width]
            .into_iter()
            .fold(1, usize::saturating_mul)
    }
}

/// Which dimension comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[C, H, W]`.
    ChannelsFirst,
    /// `[H, W, C]`.
    ChannelsLast,
}

impl Layout {
    /// How a network with an input of this shape takes images of a size; `None` if it does not.
    /// Flattened images are taken channel by channel.
    pub(super) fn of(shape: &[usize], size: Size) -> Option<Self> {
        let Size {
            channels,
            height,
            width,
        } = size;
        let shape = without_batch(shape);
        if shape == [channels, height, width] {
            return Some(Self::ChannelsFirst);
        }
        if shape == [height, width, channels] {
            return Some(Self::ChannelsLast);
        }
        let flat = *shape == [size.len()];
        let grey = channels == 1 && without_batch(&[height, width]) == shape;
        (flat || grey).then_some(Self::ChannelsFirst)
    }

    /// Where the number of a channel, row and column stands.
    pub(super) fn index(self, size: Size, c: usize, h: usize, w: usize) -> usize {
        match self {
            Self::ChannelsFirst => (c * size.height + h) * size.width + w,
            Self::ChannelsLast => (h * size.width + w) * size.channels + c,
        }
    }
}

/// For rows of an array whose dimensions are those of the network's input but for the place of the
/// channels: which element of a row is each input.
pub(super) fn moved(array: &[usize], shape: &[usize]) -> Option<Vec<usize>> {
    let (array, shape) = (without_batch(array), without_batch(shape));
    if array == shape {
        return None;
    }
    let (from, to, size) = match (array, shape) {
        (&[h, w, c], &[c2, h2, w2]) if (c, h, w) == (c2, h2, w2) => {
            let size = Size {
                channels: c,
                height: h,
                width: w,
            };
            (Layout::ChannelsLast, Layout::ChannelsFirst, size)
        }
        (&[c, h, w], &[h2, w2, c2]) if (c, h, w) == (c2, h2, w2) => {
            let size = Size {
                channels: c,
                height: h,
                width: w,
            };
            (Layout::ChannelsFirst, Layout::ChannelsLast, size)
        }
        _ => return None,
    };
    let mut out = vec![0; size.len()];
    for c in 0..size.channels {
        for h in 0..size.height {
            for w in 0..size.width {
                out[to.index(size, c, h, w)] = from.index(size, c, h, w);
            }
        }
    }
    Some(out)
}

/// A shape of more than three dimensions without those of 1 in front.
fn without_batch(shape: &[usize]) -> &[usize] {
    let mut shape = shape;
    while let [1, rest @ ..] = shape
        && shape.len() > 3
    {
        shape = rest;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    const RGB: Size = Size {
        channels: 3,
        height: 2,
        width: 4,
    };
    const GREY: Size = Size {
        channels: 1,
        height: 2,
        width: 4,
    };

    #[test]
    fn the_shape_says_how_images_are_taken() {
        for (shape, size, want) in [
            (&[3, 2, 4][..], RGB, Some(Layout::ChannelsFirst)),
            (&[1, 3, 2, 4], RGB, Some(Layout::ChannelsFirst)),
            (&[2, 4, 3], RGB, Some(Layout::ChannelsLast)),
            (&[1, 1, 2, 4, 3], RGB, Some(Layout::ChannelsLast)),
            (&[24], RGB, Some(Layout::ChannelsFirst)),
            (&[8, 3], RGB, None),
            (&[4, 2, 3], RGB, None),
            (&[3, 4, 2], RGB, None),
            (&[2, 4], GREY, Some(Layout::ChannelsFirst)),
            (&[1, 2, 4], GREY, Some(Layout::ChannelsFirst)),
            (&[2, 4, 1], GREY, Some(Layout::ChannelsLast)),
            (&[8], GREY, Some(Layout::ChannelsFirst)),
            (&[4, 2], GREY, None),
        ] {
            assert_eq!(Layout::of(shape, size), want, "{shape:?}");
        }
    }

    #[test]
    fn rows_are_moved_where_only_the_channels_stand_elsewhere() {
        let order = moved(&[2, 4, 3], &[3, 2, 4]).unwrap();
        assert_eq!(order[..9], [0, 3, 6, 9, 12, 15, 18, 21, 1]);
        let back = moved(&[3, 2, 4], &[2, 4, 3]).unwrap();
        assert!((0..24).all(|i| back[order[i]] == i && order[back[i]] == i));
        for (array, shape) in [
            (&[3, 2, 4][..], &[3, 2, 4][..]),
            (&[24], &[3, 2, 4]),
            (&[3, 3, 3], &[3, 3, 3]),
            (&[4, 2, 3], &[3, 2, 4]),
        ] {
            assert_eq!(moved(array, shape), None);
        }
    }
}
