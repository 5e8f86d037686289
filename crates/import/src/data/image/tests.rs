//! Images, good and bad.

use super::*;
use png::{BitDepth, ColorType};

fn read(bytes: &[u8], shape: &[usize]) -> Result<Vec<f64>, String> {
    let mut out = Vec::new();
    append(bytes, shape, Pixels::Byte, |v| out.push(v)).map_err(|d| d.message)?;
    Ok(out)
}

/// A PNG image of two columns and one row.
fn png(color: ColorType, depth: BitDepth, data: &[u8], palette: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 2, 1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if let Some(p) = palette {
        encoder.set_palette(p.to_vec());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    out
}

#[test]
fn png_of_every_kind() {
    use BitDepth::{Eight, One, Sixteen};
    let grey = png(ColorType::Grayscale, Eight, &[7, 200], None);
    for shape in [&[2][..], &[1, 1, 2], &[1, 2], &[1, 2, 1], &[1, 1, 1, 2]] {
        assert_eq!(read(&grey, shape), Ok(vec![7.0, 200.0]), "{shape:?}");
    }
    // The same grey in every channel.
    assert_eq!(
        read(&grey, &[3, 1, 2]),
        Ok(vec![7.0, 200.0, 7.0, 200.0, 7.0, 200.0])
    );
    let rgb = png(ColorType::Rgb, Eight, &[1, 2, 3, 4, 5, 6], None);
    let first = vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
    assert_eq!(read(&rgb, &[3, 1, 2]), Ok(first.clone()));
    assert_eq!(read(&rgb, &[6]), Ok(first));
    let last = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    assert_eq!(read(&rgb, &[1, 2, 3]), Ok(last.clone()));
    let opaque = [1, 2, 3, 255, 4, 5, 6, 255];
    let rgba = png(ColorType::Rgba, Eight, &opaque, None);
    assert_eq!(read(&rgba, &[1, 2, 3]), Ok(last));
    let bits = png(ColorType::Grayscale, One, &[0b0100_0000], None);
    assert_eq!(read(&bits, &[2]), Ok(vec![0.0, 255.0]));
    let palette = [9, 9, 9, 8, 7, 6];
    let indexed = png(ColorType::Indexed, One, &[0b0100_0000], Some(&palette));
    assert_eq!(
        read(&indexed, &[1, 2, 3]),
        Ok(vec![9.0, 9.0, 9.0, 8.0, 7.0, 6.0])
    );
    let wide = png(
        ColorType::Grayscale,
        Sixteen,
        &[0xff, 0xff, 0x01, 0x01],
        None,
    );
    assert_eq!(read(&wide, &[2]), Ok(vec![255.0, 1.0]));
    let same = png(ColorType::Rgb, Eight, &[5, 5, 5, 6, 6, 6], None);
    assert_eq!(read(&same, &[1, 1, 2]), Ok(vec![5.0, 6.0]));
}

#[test]
fn png_that_is_not_read() {
    let grey = png(ColorType::Grayscale, BitDepth::Eight, &[7, 200], None);
    let rgb = png(ColorType::Rgb, BitDepth::Eight, &[1, 1, 1, 4, 5, 6], None);
    let clear = png(
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &[7, 255, 8, 9],
        None,
    );
    for (bytes, shape, want) in [
        (
            &grey,
            &[3][..],
            "1 rows and 2 columns, grey; the network's input has the shape 3",
        ),
        (&grey, &[2, 1], "input has the shape 2x1"),
        (&rgb, &[2], "the pixel in row 0, column 1 is not grey"),
        (&clear, &[2], "transparent"),
    ] {
        let message = read(bytes, shape).unwrap_err();
        assert!(message.contains(want), "{message} / {want}");
    }
    // A decoder may do without what stands behind the last sample.
    for n in 0..grey.len() - 20 {
        assert!(read(&grey[..n], &[2]).is_err(), "{n}");
    }
    for i in 0..grey.len() {
        let mut broken = grey.clone();
        broken[i] ^= 0x55;
        // Any answer will do, a panic will not.
        let _ = read(&broken, &[2]);
    }
}

#[test]
fn pgm_and_ppm() {
    for (bytes, shape, want) in [
        (&b"P2 2 1 # two\n 15\n 0 15"[..], &[2][..], vec![0.0, 255.0]),
        (b"P2\n2 1\n255\n7\n#x\n8\n", &[2], vec![7.0, 8.0]),
        (b"P5\n2 1\n255\n\x07\x08", &[2], vec![7.0, 8.0]),
        (b"P5\n2 1\n255\n\n ", &[2], vec![10.0, 32.0]),
        (b"P5\n2 1\n65535\n\xff\xff\x01\x01", &[2], vec![255.0, 1.0]),
        (
            b"P6 1 2 255 \x01\x02\x03\x04\x05\x06",
            &[3, 2, 1],
            vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0],
        ),
        (b"P3 1 1 255 1 2 3", &[1, 1, 3], vec![1.0, 2.0, 3.0]),
    ] {
        assert_eq!(read(bytes, shape), Ok(want));
    }
    for (bytes, want) in [
        (&b"P4 1 1 "[..], "does not start with P2"),
        (b"", "does not start with P2"),
        (b"P5 2 1", "in its header"),
        (b"P5 2 -1 255 ", "in its header"),
        (b"P5 2 1 0 ", "1 to 65535"),
        (b"P5 2 1 65536 ", "1 to 65535"),
        (b"P5 0 1 255 ", "0 columns"),
        (b"P5 4294967295 4294967295 255 ", "samples are read"),
        (b"P5 2 1 255", "2 bytes of samples, 0 follow"),
        (b"P5 2 1 255 \x01\x02\x03", "2 bytes of samples, 3 follow"),
        (b"P5 2 1 15 \x01\x10", "sample 1 is 16"),
        (b"P2 2 1 15 1", "sample 1 of 2 is no number"),
        (b"P2 2 1 15 1 2 3", "more samples"),
        (b"P2 2 1 15 1 16", "sample 1 is 16"),
    ] {
        let message = read(bytes, &[2]).unwrap_err();
        assert!(message.contains(want), "{message} / {want}");
    }
}
