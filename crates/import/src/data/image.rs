//! Images: PNG, PGM and PPM, grey or in colour.

use super::layout::{Layout, Size};
use super::{Pixels, malformed, pnm};
use ceg4n_base::{Diagnostic, codes};
use std::io::Cursor;

/// No image has more samples than this.
const MAX_SAMPLES: usize = 1 << 26;

/// What a PNG file starts with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// An image; its samples are stored row by row, the channels of a pixel together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) size: Size,
    /// The greatest sample that there can be, at least 1.
    pub(super) most: u16,
    pub(super) samples: Vec<u16>,
}

/// Adds an image of a file to `out`, as a network with an input of this shape takes it.
pub(super) fn append(
    bytes: &[u8],
    shape: &[usize],
    pixels: Pixels,
    mut out: impl FnMut(f64),
) -> Result<(), Diagnostic> {
    let fits = |size: Size| {
        way(size, shape)
            .map(|_| ())
            .ok_or_else(|| no_fit(size, shape))
    };
    let image = if bytes.starts_with(PNG) {
        png(bytes, &fits)?
    } else {
        pnm::image(bytes, &fits)?
    };
    let (layout, target) = way(image.size, shape).ok_or_else(|| no_fit(image.size, shape))?;
    if target.channels < image.size.channels {
        let pixels = image.samples.chunks_exact(image.size.channels);
        if let Some(i) = pixels
            .into_iter()
            .position(|p| p.iter().any(|s| *s != p[0]))
        {
            let (y, x) = (i / image.size.width, i % image.size.width);
            let text = format!(
                "the pixel in row {y}, column {x} is not grey, the network has one channel"
            );
            return Err(malformed(text).help("save the images as grey ones"));
        }
    }
    let mut row = vec![0.0; target.len()];
    for c in 0..target.channels {
        for y in 0..target.height {
            for x in 0..target.width {
                // A grey image has the same sample in every channel of a network in colour.
                let own = c.min(image.size.channels - 1);
                let sample = image.samples[Layout::ChannelsLast.index(image.size, own, y, x)];
                row[layout.index(target, c, y, x)] = pixels.of(sample, image.most);
            }
        }
    }
    row.into_iter().for_each(&mut out);
    Ok(())
}

/// The size of the image of a file; `None` for what is none.
pub(super) fn size(bytes: &[u8]) -> Option<Size> {
    let found = std::cell::Cell::new(None);
    // The header is enough.
    let fits = |size: Size| {
        found.set(Some(size));
        Err(malformed("only the size is wanted"))
    };
    let _ = match bytes.starts_with(PNG) {
        true => png(bytes, &fits),
        false => pnm::image(bytes, &fits),
    };
    found.get()
}

/// How images of a size become inputs: as they are, grey ones as colours, colours as grey.
fn way(size: Size, shape: &[usize]) -> Option<(Layout, Size)> {
    let channels = match size.channels {
        1 => [1, 3],
        _ => [3, 1],
    };
    channels.into_iter().find_map(|channels| {
        let target = Size { channels, ..size };
        Some((Layout::of(shape, target)?, target))
    })
}

fn no_fit(size: Size, shape: &[usize]) -> Diagnostic {
    let colours = if size.channels == 1 { "grey" } else { "RGB" };
    let shape: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let text = format!(
        "the image has {} rows and {} columns, {colours}; the network's input has the shape {}",
        size.height,
        size.width,
        shape.join("x")
    );
    Diagnostic::error(codes::REGION, text)
        .help("an image is C x H x W, H x W x C or, channel by channel, a vector")
}

/// Refuses images without a pixel and those that fill the memory.
pub(super) fn check_size(size: Size) -> Result<(), Diagnostic> {
    if size.len() == 0 || size.len() > MAX_SAMPLES {
        let text = format!(
            "the image has {} rows and {} columns; 1 to {MAX_SAMPLES} samples are read",
            size.height, size.width
        );
        return Err(malformed(text));
    }
    Ok(())
}

fn png(bytes: &[u8], fits: &dyn Fn(Size) -> Result<(), Diagnostic>) -> Result<Image, Diagnostic> {
    let broken = |e: png::DecodingError| malformed(format!("no PNG image: {e}"));
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes become colours, samples of less than eight bits bytes.
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (color, depth) = reader.output_color_type();
    let (channels, stored) = match color {
        png::ColorType::Grayscale => (1, 1),
        png::ColorType::GrayscaleAlpha => (1, 2),
        png::ColorType::Rgb => (3, 3),
        png::ColorType::Rgba => (3, 4),
        png::ColorType::Indexed => return Err(malformed("the PNG image has no palette")),
    };
    let size = Size {
        channels,
        height: reader.info().height as usize,
        width: reader.info().width as usize,
    };
    check_size(size)?;
    fits(size)?;
    let too_large = || malformed("the PNG image is too large");
    let mut data = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let frame = reader.next_frame(&mut data).map_err(broken)?;
    let data = data.get(..frame.buffer_size()).unwrap_or_default();
    let (most, all): (u16, Vec<u16>) = if depth == png::BitDepth::Sixteen {
        let (pairs, _) = data.as_chunks::<2>();
        (
            u16::MAX,
            pairs.iter().map(|p| u16::from_be_bytes(*p)).collect(),
        )
    } else {
        (255, data.iter().map(|b| u16::from(*b)).collect())
    };
    let mut samples = Vec::with_capacity(size.len());
    for pixel in all.chunks_exact(stored) {
        if pixel[channels..].iter().any(|a| *a != most) {
            let d = malformed("the PNG image has pixels that are transparent");
            return Err(d.help("save the images without an alpha channel"));
        }
        samples.extend_from_slice(&pixel[..channels]);
    }
    if samples.len() != size.len() {
        return Err(malformed("the PNG image ends early"));
    }
    Ok(Image {
        size,
        most,
        samples,
    })
}

#[cfg(test)]
mod tests;
