//! Tensors in `.safetensors` files beside a text.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// Gives the files that a text refers to.
pub trait Files {
    /// The content of the file at `path`, as the text writes it: relative to the text's folder.
    ///
    /// # Errors
    /// A message for the user, without the path.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// No files: texts that stand alone.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("this text may not refer to files".to_owned())
    }
}

/// The files of a folder.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.0.join(path);
        // Devices and pipes could block or never end.
        let kind = std::fs::metadata(&path).map_err(|e| e.to_string())?;
        if !kind.is_file() {
            return Err("it is no file".to_owned());
        }
        std::fs::read(&path).map_err(|e| e.to_string())
    }
}

/// Files by name, in memory.
impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.get(path)
            .cloned()
            .ok_or_else(|| "there is no such file".to_owned())
    }
}

/// An element type that the IR keeps in files.
pub(crate) trait Stored: Copy {
    const DTYPE: Dtype;
    /// What messages call it.
    const NAME: &'static str;
    /// The elements of little-endian bytes.
    fn decode(bytes: &[u8]) -> Vec<Self>;
    fn append(self, out: &mut Vec<u8>);
}

macro_rules! stored {
    ($type:ty, $dtype:ident, $size:literal) => {
        impl Stored for $type {
            const DTYPE: Dtype = Dtype::$dtype;
            const NAME: &'static str = stringify!($dtype);

            fn decode(bytes: &[u8]) -> Vec<Self> {
                let (words, _) = bytes.as_chunks::<$size>();
                words.iter().map(|w| Self::from_le_bytes(*w)).collect()
            }

            fn append(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    };
}
stored!(f32, F32, 4);
stored!(f64, F64, 8);
stored!(i32, I32, 4);

/// A tensor of a file, with its dimensions.
pub(crate) struct Tensor<T> {
    pub(crate) dims: Vec<usize>,
    pub(crate) data: Vec<T>,
}

/// Reads files once each.
pub(crate) struct Cache<'f> {
    files: &'f dyn Files,
    read: BTreeMap<String, Result<Rc<[u8]>, String>>,
}

impl<'f> Cache<'f> {
    pub(crate) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            read: BTreeMap::new(),
        }
    }

    /// One tensor of a file. The error is a sentence about the file.
    pub(crate) fn tensor<T: Stored>(
        &mut self,
        path: &str,
        tensor: &str,
    ) -> Result<Tensor<T>, String> {
        let bytes = self
            .read
            .entry(path.to_owned())
            .or_insert_with(|| self.files.read(path).map(Rc::from))
            .clone()
            .map_err(|e| format!("cannot read {path}: {e}"))?;
        let all = SafeTensors::deserialize(&bytes)
            .map_err(|e| format!("{path} is no complete safetensors file: {e}"))?;
        let view = find(&all, tensor).ok_or_else(|| {
            let mut names = all.names();
            names.sort_unstable();
            match ceg4n_base::suggest::nearest(tensor, names) {
                Some(near) => {
                    format!("{path} has no tensor \"{tensor}\"; did you mean \"{near}\"?")
                }
                None => format!("{path} has no tensor \"{tensor}\""),
            }
        })?;
        if view.dtype() != T::DTYPE {
            return Err(format!(
                "tensor \"{tensor}\" of {path} has elements {:?}, not {}",
                view.dtype(),
                T::NAME
            ));
        }
        Ok(Tensor {
            dims: view.shape().to_vec(),
            data: T::decode(view.data()),
        })
    }
}

fn find<'d>(all: &SafeTensors<'d>, name: &str) -> Option<TensorView<'d>> {
    all.tensor(name).ok()
}

/// A tensor to be written: element type, dimensions, little-endian bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) dtype: Dtype,
    pub(crate) dims: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    pub(crate) fn new<T: Stored>(dims: &[usize], data: &[T]) -> Self {
        Self {
            dtype: T::DTYPE,
            dims: dims.to_vec(),
            bytes: data.iter().fold(Vec::new(), |mut out, v| {
                v.append(&mut out);
                out
            }),
        }
    }
}

/// Tensors of one file to be written, by name.
pub(crate) type Blobs = BTreeMap<String, Blob>;

/// The bytes of a `.safetensors` file; the same tensors give the same bytes.
pub(crate) fn serialize(blobs: &Blobs) -> Vec<u8> {
    let views = blobs.iter().filter_map(|(name, b)| {
        // Fails only where bytes and dimensions disagree; values of a network agree.
        let view = TensorView::new(b.dtype, b.dims.clone(), &b.bytes).ok()?;
        Some((name.as_str(), view))
    });
    safetensors::serialize(views, None).expect("names and sizes of tensors in memory fit a file")
}

/// True if the file holds these tensors, bit for bit; it may hold others too.
pub(crate) fn holds(file: &[u8], blobs: &Blobs) -> bool {
    let Ok(all) = SafeTensors::deserialize(file) else {
        return false;
    };
    blobs.iter().all(|(name, b)| {
        find(&all, name)
            .is_some_and(|v| v.dtype() == b.dtype && v.shape() == b.dims && v.data() == b.bytes)
    })
}
