//! The size of the pictures in a data set, where a network takes them as flat vectors: its own shape
//! does not say it then.

use super::{DataSource, FileKind, idx, image, npy};
use crate::file;

/// How a row of a data set is a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows of pixels.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for grey, 3 for colours.
    pub channels: usize,
    /// The channels of a pixel stand together; otherwise channel after channel.
    pub channels_last: bool,
}

impl Picture {
    /// Numbers of a picture; `None` beyond the range of sizes.
    pub fn size(&self) -> Option<usize> {
        self.height
            .checked_mul(self.width)?
            .checked_mul(self.channels)
    }

    /// The picture that dimensions state: `H, W`, `C, H, W` or `H, W, C`, with 1 or 3 channels;
    /// dimensions of 1 in front of these say nothing.
    pub fn of_shape(shape: &[usize]) -> Option<Self> {
        let mut shape = shape;
        while let [1, rest @ ..] = shape
            && rest.len() >= 2
        {
            shape = rest;
        }
        let (height, width, channels, channels_last) = match *shape {
            [height, width] => (height, width, 1, false),
            [3, height, width] => (height, width, 3, false),
            [height, width, channels @ (1 | 3)] => (height, width, channels, true),
            _ => return None,
        };
        Some(Self {
            height,
            width,
            channels,
            channels_last,
        })
    }
}

/// How the rows of a data set are pictures of `inputs` numbers: idx and npy files by their
/// dimensions, images by their size. `None` where a data set does not say so or cannot be read.
pub fn picture(source: &DataSource, inputs: usize) -> Option<Picture> {
    let found = match source.kind()? {
        FileKind::Idx => {
            let bytes = file::bytes(&source.path).ok()?;
            let array = idx::array(&bytes).ok()?;
            Picture::of_shape(array.shape.get(1..)?)?
        }
        FileKind::Npy => {
            let bytes = file::bytes(&source.path).ok()?;
            let array = npy::array(&bytes).ok()?;
            Picture::of_shape(array.shape.get(1..)?)?
        }
        FileKind::Image | FileKind::Folder => {
            let files = source.files().ok()?;
            let size = image::size(&file::bytes(files.first()?).ok()?)?;
            let pixels = size.height.checked_mul(size.width)?;
            let channels = [1, 3]
                .into_iter()
                .find(|c| pixels.checked_mul(*c) == Some(inputs))?;
            Picture {
                height: size.height,
                width: size.width,
                channels,
                channels_last: false,
            }
        }
        FileKind::Csv
        | FileKind::Npz
        | FileKind::Safetensors
        | FileKind::Json
        | FileKind::Vnnlib => return None,
    };
    (found.size() == Some(inputs)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_say_what_is_a_picture() {
        let of = |shape: &[usize]| {
            Picture::of_shape(shape).map(|p| (p.height, p.width, p.channels, p.channels_last))
        };
        assert_eq!(of(&[28, 28]), Some((28, 28, 1, false)));
        assert_eq!(of(&[1, 1, 28, 20]), Some((28, 20, 1, false)));
        assert_eq!(of(&[3, 32, 30]), Some((32, 30, 3, false)));
        assert_eq!(of(&[1, 32, 30, 3]), Some((32, 30, 3, true)));
        assert_eq!(of(&[28, 28, 1]), Some((28, 28, 1, true)));
        assert_eq!(of(&[784]), None);
        assert_eq!(of(&[4, 28, 28]), None);
    }

    #[test]
    fn a_data_set_says_the_size_of_its_pictures() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("images-idx3-ubyte");
        let mut bytes = vec![0, 0, 8, 3];
        for n in [2u32, 3, 4] {
            bytes.extend(n.to_be_bytes());
        }
        bytes.extend([7; 24]);
        std::fs::write(&path, bytes).expect("a file");
        let source = DataSource::from_path(&path);
        let found = picture(&source, 12).expect("pictures");
        assert_eq!((found.height, found.width, found.channels), (3, 4, 1));
        assert_eq!(picture(&source, 13), None);
        let pgm = dir.path().join("a.pgm");
        std::fs::write(&pgm, b"P5 2 3 255\n\x00\x01\x02\x03\x04\x05").expect("a file");
        let found = picture(&DataSource::from_path(&pgm), 18).expect("a picture");
        assert_eq!((found.height, found.width, found.channels), (3, 2, 3));
    }
}
