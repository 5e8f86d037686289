//! Exact arithmetic on constants.

use super::*;

fn e(text: &str) -> Exact {
    text.parse().unwrap()
}

fn float(v: &[f32]) -> Data {
    Data::Float(v.into())
}

#[test]
fn only_what_is_a_float_is_stored_as_one() {
    let exact = |t: &[&str]| exactly(t.iter().map(|t| e(t)).collect()).unwrap();
    assert_eq!(exact(&["0.5", "-3"]), float(&[0.5, -3.0]));
    let Data::Wide(w) = exact(&["0.1", "1"]) else {
        panic!("no float")
    };
    assert!(w.enclosed);
    // 2^30 + 2^-40 needs 71 bits.
    let Data::Wide(w) = exact(&["1180591620717411303425/1099511627776"]) else {
        panic!("no float")
    };
    assert!(!w.enclosed && w.low[0] != 0.0);
    assert_eq!(w.center(0), e("1180591620717411303425/1099511627776"));
    assert!(exactly(vec![Exact::dyadic(1, 2000)]).is_err());
    assert_eq!(stored(&[(e("1"), e("1.001"))]), None);
}

#[test]
fn products_are_exact() {
    assert_eq!(
        scaled(&float(&[3.0, -0.75]), 0.5).unwrap(),
        float(&[1.5, -0.375])
    );
    let Data::Wide(w) = scaled(&float(&[0.1]), 3.0).unwrap() else {
        panic!("no float")
    };
    let tenth = Exact::from_f32(0.1).unwrap();
    assert_eq!((w.center(0), w.enclosed), (&tenth * &e("3"), false));
    let tiny = scaled(&float(&[f32::from_bits(1)]), 0.5).unwrap();
    assert_eq!(tiny.exact(0), Some(Exact::dyadic(1, -150)));
}

#[test]
fn constants_fold_like_numpy() {
    let t = |dims: &[usize], v: &[f32]| Tensor::float(dims.to_vec(), v);
    let sum = folded(
        Fold::Add,
        vec![2, 2],
        &t(&[2, 1], &[1., 2.]),
        &t(&[2], &[3., 5.]),
    )
    .unwrap();
    assert_eq!(sum, t(&[2, 2], &[4., 6., 5., 7.]));
    // 2^30 + 2^-40 and the like keep their rests.
    let far = folded(Fold::Sub, vec![1], &t(&[1], &[1e20]), &t(&[1], &[1e-20])).unwrap();
    let exact = |v: f32| Exact::from_f32(v).unwrap();
    assert_eq!(far.data.exact(0), Some(&exact(1e20) - &exact(1e-20)));
    let product = folded(Fold::Mul, vec![1], &t(&[1], &[0.1]), &t(&[], &[0.3])).unwrap();
    assert_eq!(product.data.exact(0), Some(&exact(0.1) * &exact(0.3)));
    let third = folded(Fold::Div, vec![], &t(&[], &[1.]), &t(&[], &[3.])).unwrap();
    assert!(matches!(&third.data, Data::Wide(w) if w.enclosed));
    // What is only enclosed is no operand.
    assert!(folded(Fold::Add, vec![], &third, &t(&[], &[1.])).is_err());
    assert!(folded(Fold::Div, vec![], &t(&[], &[1.]), &t(&[], &[0.])).is_err());
    assert!(folded(Fold::Add, vec![], &t(&[], &[f32::NAN]), &t(&[], &[1.])).is_err());
    let i = |v: i64| Tensor::int(vec![], [v]);
    assert_eq!(folded(Fold::Div, vec![], &i(7), &i(-2)).unwrap(), i(-3));
    assert!(folded(Fold::Div, vec![], &i(7), &i(0)).is_err());
    assert!(folded(Fold::Mul, vec![], &i(i64::MAX), &i(2)).is_err());
    assert!(folded(Fold::Add, vec![], &i(1), &t(&[], &[1.])).is_err());
}

#[test]
fn dimensions_broadcast() {
    assert_eq!(broadcast_dims(&[1, 3], &[2, 3]), None);
    assert_eq!(broadcast_dims(&[3], &[1, 1, 3]), Some(vec![1, 1, 3]));
    assert_eq!(broadcast_dims(&[4], &[3]), None);
    assert_eq!(common_dims(&[2, 1], &[3]), Some(vec![2, 3]));
    assert_eq!(common_dims(&[2], &[3]), None);
    assert_eq!(
        constant_shape(&[1, 4, 2, 2], &[1, 4, 1, 1]),
        Shape(vec![4, 1, 1])
    );
    assert_eq!(constant_shape(&[1, 4], &[1, 1]), Shape::vector(1));
}

#[test]
fn transposes() {
    let m = float(&[1., 2., 3., 4., 5., 6.]);
    assert_eq!(transposed(&m, 2, 3), float(&[1., 4., 2., 5., 3., 6.]));
    assert_eq!(
        permuted(&[2, 3, 4], &[2, 0, 1])[..7],
        [0, 4, 8, 12, 16, 20, 1]
    );
}

fn channel(gamma: &str, beta: &str, mean: &str, spread: &str) -> Normalization {
    let [gamma, beta, mean, spread] = [gamma, beta, mean, spread].map(e);
    Normalization {
        gamma,
        beta,
        mean,
        spread,
    }
}

#[test]
fn normalizations_are_enclosed() {
    let (scale, offset) = normalization(&[channel("3", "1", "0.5", "2")], None).unwrap();
    let (Data::Wide(s), Data::Wide(o)) = (&scale, &offset) else {
        panic!("irrational")
    };
    assert!(s.enclosed && o.enclosed);
    // scale² = 9/2 within 2^-79, offset = 1 - scale/2.
    let square = &s.center(0) * &s.center(0);
    assert!(size(&(&square - &e("4.5"))) < Exact::dyadic(1, -76));
    let expected = &e("1") - &s.center(0).shifted(-1);
    assert!(size(&(&expected - &o.center(0))) < Exact::dyadic(1, -78));
    let exact = normalization(&[channel("3", "1", "0.5", "4")], Some(&float(&[2.0]))).unwrap();
    assert_eq!(exact, (float(&[1.5]), float(&[3.25])));
    let zero = normalization(&[channel("0", "1", "0.5", "3")], None).unwrap();
    assert_eq!(zero, (float(&[0.0]), float(&[1.0])));
}

#[test]
fn offsets_that_nearly_cancel_get_more_bits() {
    // beta = the first 60 digits of 1/√2, mean = 1, gamma = 1: what is left is about 1e-60.
    let beta = "0.707106781186547524400844362104849039284835937688474036588339";
    let (_, offset) = normalization(&[channel("1", beta, "1", "2")], None).unwrap();
    let Data::Wide(o) = offset else {
        panic!("irrational")
    };
    let middle = o.center(0).to_f64();
    assert!(middle < -8e-61 && middle > -9e-61, "{middle:e}");
}

#[test]
fn folded_weights_are_within_reach_of_the_product() {
    let (scale, _) = normalization(
        &[channel("0.3", "0", "0", "3"), channel("-1", "0", "0", "7")],
        None,
    )
    .unwrap();
    let weight = float(&[0.1, -7.5, 3e-20, 0.0]);
    let Data::Wide(w) = channelwise(&weight, &scale, 2).unwrap() else {
        panic!("irrational")
    };
    assert!(w.enclosed);
    for i in 0..4 {
        let Data::Wide(s) = &scale else { panic!() };
        let product = &weight.exact(i).unwrap() * &s.center(i / 2);
        let gap = size(&(&product - &w.center(i)));
        assert!(gap <= size(&product).shifted(-100), "{i}");
        assert_eq!(w.high[i] + w.low[i], w.high[i]);
    }
    let exact = channelwise(&weight, &float(&[2.0, 0.5]), 2).unwrap();
    assert_eq!(exact, float(&[0.2, -15.0, 1.5e-20, 0.0]));
    assert!(channelwise(&Data::Wide(w), &scale, 2).is_err());
}
