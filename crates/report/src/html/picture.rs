//! Inputs as pictures: PNG files within the page.

use super::words::{self, real};
use crate::{ImageCenter, Images, Report, Span};
use serde::Serialize;

/// Pictures of regions, and of a counterexample beside its region's centre.
#[derive(Debug, Serialize)]
pub(super) struct Gallery {
    pub size: String,
    /// What black and white stand for.
    pub black: String,
    pub white: String,
    pub examples: Vec<Example>,
    pub centers: Vec<Shown>,
}

#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub uri: String,
    pub text: String,
    pub caption: String,
}

/// A counterexample: the centre, the point, and the difference of the two.
#[derive(Debug, Serialize)]
pub(super) struct Example {
    pub title: String,
    pub pictures: Vec<Shown>,
    /// The greatest difference, that both ends of the legend stand for.
    pub most: String,
}

/// The colours of differences: below the centre, equal, above it.
const BELOW: [f64; 3] = [33.0, 102.0, 172.0];
const EQUAL: [f64; 3] = [247.0, 247.0, 247.0];
const ABOVE: [f64; 3] = [178.0, 24.0, 43.0];

pub(super) fn gallery(r: &Report) -> Option<Gallery> {
    let images = r.images.as_ref()?;
    let size = images.height.checked_mul(images.width)?;
    let numbers = size.checked_mul(images.channels)?;
    let fits = |x: &[f64]| x.len() == numbers && numbers > 0;
    let examples = examples(r, images, &fits);
    let values = images.centers.iter().flat_map(|c| c.x.iter().copied());
    let points = points(r).into_iter().flat_map(|(_, _, x)| x);
    let range = Span::around(values.chain(points))?;
    let center = |c: &ImageCenter| {
        let class = c.class.map(|k| format!(", class {k}")).unwrap_or_default();
        Some(Shown {
            uri: uri(images, &grey(images, &c.x, range))?,
            text: format!("Centre of region {}{class}", c.region),
            caption: format!("{}{class}", c.region),
        })
    };
    let shown = |e: Raw| example(images, range, &e);
    Some(Gallery {
        size: format!("{}×{}", images.width, images.height),
        black: real(range.least, 4),
        white: real(range.greatest, 4),
        examples: examples.into_iter().filter_map(shown).collect(),
        centers: images
            .centers
            .iter()
            .filter(|c| fits(&c.x))
            .filter_map(center)
            .collect(),
    })
}

/// Region, words and point of each counterexample: of the one that is traced, and of verdicts.
fn points(r: &Report) -> Vec<(String, String, Vec<f64>)> {
    let floats = |x: &[ceg4n_base::Exact]| x.iter().map(ceg4n_base::Exact::to_f64).collect();
    let mut out: Vec<(String, String, Vec<f64>)> = Vec::new();
    if let Some(d) = &r.divergence {
        let what = match (d.reference_class, d.kernel_class) {
            (Some(n), Some(k)) => format!("network class {n}, kernel class {k}"),
            _ => "the point".to_owned(),
        };
        out.push((d.region.clone(), what, floats(&d.x)));
    }
    for region in &r.regions {
        if let Some(c) = &region.counterexample {
            let x: Vec<f64> = floats(&c.x);
            if !out.iter().any(|o| o.0 == region.id && o.2 == x) {
                let greatest = [&c.reference, &c.kernel].map(|y| words::greatest(y));
                let what = match greatest {
                    [Some(n), Some(k)] => {
                        format!("greatest output {n} in the network, {k} in the kernel")
                    }
                    _ => "the point".to_owned(),
                };
                out.push((region.id.clone(), what, x));
            }
        }
    }
    out
}

/// A counterexample and its centre.
struct Raw<'a> {
    region: String,
    what: String,
    x: Vec<f64>,
    center: &'a ImageCenter,
}

fn examples<'a>(r: &Report, images: &'a Images, fits: &dyn Fn(&[f64]) -> bool) -> Vec<Raw<'a>> {
    let raw = |(region, what, x): (String, String, Vec<f64>)| {
        let center = images.centers.iter().find(|c| c.region == region)?;
        (fits(&x) && fits(&center.x)).then_some(Raw {
            region,
            what,
            x,
            center,
        })
    };
    points(r).into_iter().filter_map(raw).collect()
}

fn example(images: &Images, range: Span, e: &Raw<'_>) -> Option<Example> {
    let differences: Vec<f64> = e.x.iter().zip(&e.center.x).map(|(x, c)| x - c).collect();
    let most = differences.iter().fold(0.0, |m: f64, d| m.max(d.abs()));
    let class = e
        .center
        .class
        .map(|k| format!(", class {k}"))
        .unwrap_or_default();
    let picture = |pixels: Vec<u8>, text: &str, caption: String| {
        Some(Shown {
            uri: uri(images, &pixels)?,
            text: format!("Region {}: {text}", e.region),
            caption,
        })
    };
    Some(Example {
        title: format!("Region {}", e.region),
        pictures: vec![
            picture(
                grey(images, &e.center.x, range),
                "the centre",
                format!("centre{class}"),
            )?,
            picture(
                grey(images, &e.x, range),
                "the counterexample",
                format!("point: {}", e.what),
            )?,
            picture(
                signed(images, &differences, most),
                "the difference of counterexample and centre",
                "difference".to_owned(),
            )?,
        ],
        most: real(most, 3),
    })
}

/// The number of a channel in row and column.
fn index(images: &Images, c: usize, y: usize, x: usize) -> usize {
    match images.channels_last {
        true => (y * images.width + x) * images.channels + c,
        false => (c * images.height + y) * images.width + x,
    }
}

/// Every pixel in red, green and blue; the ends of the range are black and white.
fn grey(images: &Images, values: &[f64], range: Span) -> Vec<u8> {
    let width = range.greatest - range.least;
    let level = |v: f64| match width > 0.0 {
        true => (255.0 * ((v - range.least) / width).clamp(0.0, 1.0)).round() as u8,
        false => 0,
    };
    pixels(images, |y, x| {
        [0, 1, 2].map(|c| {
            let c = c.min(images.channels - 1);
            level(
                values
                    .get(index(images, c, y, x))
                    .copied()
                    .unwrap_or(range.least),
            )
        })
    })
}

/// Differences, the mean of the channels of a pixel, from blue over white to red.
fn signed(images: &Images, values: &[f64], most: f64) -> Vec<u8> {
    pixels(images, |y, x| {
        let channels = (0..images.channels).map(|c| index(images, c, y, x));
        let sum: f64 = channels.filter_map(|i| values.get(i)).sum();
        let share = match most > 0.0 {
            true => (sum / images.channels as f64 / most).clamp(-1.0, 1.0),
            false => 0.0,
        };
        let end = if share < 0.0 { BELOW } else { ABOVE };
        let mix = |c: usize| EQUAL[c] + (end[c] - EQUAL[c]) * share.abs();
        [0, 1, 2].map(|c| mix(c).round() as u8)
    })
}

fn pixels(images: &Images, of: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let places = (0..images.height).flat_map(|y| (0..images.width).map(move |x| (y, x)));
    places.flat_map(|(y, x)| of(y, x)).collect()
}

/// A picture as an address that holds it; `None` for a size that PNG does not have.
fn uri(images: &Images, pixels: &[u8]) -> Option<String> {
    let (width, height) = (
        u32::try_from(images.width).ok()?,
        u32::try_from(images.height).ok()?,
    );
    let is_grey = pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match is_grey {
        true => png::ColorType::Grayscale,
        false => png::ColorType::Rgb,
    });
    let samples: Vec<u8> = match is_grey {
        true => pixels.iter().step_by(3).copied().collect(),
        false => pixels.to_vec(),
    };
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&samples).ok()?;
    writer.finish().ok()?;
    Some(format!("data:image/png;base64,{}", base64(&bytes)))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |w, i| {
            w << 8 | u32::from(group.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // The vectors of RFC 4648.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn channels_and_differences_have_their_places() {
        let images = |channels_last| Images {
            height: 1,
            width: 2,
            channels: 3,
            channels_last,
            centers: Vec::new(),
        };
        let range = Span {
            least: 0.0,
            greatest: 1.0,
        };
        // Red, then blue.
        let last = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let first = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(grey(&images(true), &last, range), [255, 0, 0, 0, 0, 255]);
        assert_eq!(grey(&images(false), &first, range), [255, 0, 0, 0, 0, 255]);
        let grey = Images {
            channels: 1,
            ..images(false)
        };
        assert_eq!(
            signed(&grey, &[-0.5, 0.25], 0.5),
            [33, 102, 172, 213, 136, 145]
        );
        assert_eq!(signed(&grey, &[0.0, 0.0], 0.0), [247; 6]);
    }
}
