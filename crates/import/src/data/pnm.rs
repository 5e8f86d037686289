//! Images as PGM and PPM: a short text header, then samples as text or bytes.

use super::image::{Image, check_size};
use super::layout::Size;
use super::malformed;
use ceg4n_base::Diagnostic;

/// The image of a file. `fits` decides by its size whether it is read.
pub(super) fn image(
    bytes: &[u8],
    fits: &dyn Fn(Size) -> Result<(), Diagnostic>,
) -> Result<Image, Diagnostic> {
    let mut text = Text { bytes, at: 2 };
    let (channels, binary) = match bytes.get(..2) {
        Some(b"P2") => (1, false),
        Some(b"P3") => (3, false),
        Some(b"P5") => (1, true),
        Some(b"P6") => (3, true),
        _ => {
            let d = malformed("no PGM or PPM image: it does not start with P2, P3, P5 or P6");
            return Err(d);
        }
    };
    let header = (|| Some((text.number()?, text.number()?, text.number()?)))();
    let Some((width, height, most)) = header else {
        return Err(malformed("the image ends or errs in its header"));
    };
    let size = Size {
        channels,
        height: height as usize,
        width: width as usize,
    };
    let Some(most) = u16::try_from(most).ok().filter(|m| *m > 0) else {
        let text = format!("the greatest sample is said to be {most}; it is 1 to 65535");
        return Err(malformed(text));
    };
    check_size(size)?;
    fits(size)?;
    let samples = if binary {
        // One byte of space ends the header.
        binary_samples(bytes.get(text.at + 1..).unwrap_or_default(), size, most)?
    } else {
        text_samples(&mut text, size)?
    };
    if let Some(i) = samples.iter().position(|s| *s > most) {
        let text = format!("sample {i} is {}, above the greatest, {most}", samples[i]);
        return Err(malformed(text));
    }
    Ok(Image {
        size,
        most,
        samples,
    })
}

fn binary_samples(data: &[u8], size: Size, most: u16) -> Result<Vec<u16>, Diagnostic> {
    let wide = most > 255;
    let bytes = size.len() * if wide { 2 } else { 1 };
    if data.len() != bytes {
        return Err(malformed(format!(
            "the header speaks of {bytes} bytes of samples, {} follow",
            data.len()
        )));
    }
    Ok(if wide {
        let (pairs, _) = data.as_chunks::<2>();
        pairs.iter().map(|p| u16::from_be_bytes(*p)).collect()
    } else {
        data.iter().map(|b| u16::from(*b)).collect()
    })
}

fn text_samples(text: &mut Text<'_>, size: Size) -> Result<Vec<u16>, Diagnostic> {
    let mut samples = Vec::with_capacity(size.len());
    for i in 0..size.len() {
        let sample = text.number().and_then(|n| u16::try_from(n).ok());
        let no_number = || malformed(format!("sample {i} of {} is no number", size.len()));
        samples.push(sample.ok_or_else(no_number)?);
    }
    if text.skip().is_some() {
        return Err(malformed("more samples follow than the header speaks of"));
    }
    Ok(samples)
}

/// Numbers between spaces and comments.
struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Text<'_> {
    /// Skips spaces and comments; the byte behind them.
    fn skip(&mut self) -> Option<u8> {
        loop {
            let b = *self.bytes.get(self.at)?;
            if b == b'#' {
                let rest = &self.bytes[self.at..];
                self.at += rest.iter().position(|b| *b == b'\n')?;
            } else if b.is_ascii_whitespace() {
                self.at += 1;
            } else {
                return Some(b);
            }
        }
    }

    fn number(&mut self) -> Option<u32> {
        self.skip()?;
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let text = std::str::from_utf8(&rest[..digits]).ok()?;
        self.at += digits;
        text.parse().ok()
    }
}
