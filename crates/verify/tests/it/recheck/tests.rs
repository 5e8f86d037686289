//! Evidence of random questions and of questions made to need every kind of closure is confirmed;
//! damaged evidence is not.

use crate::compare::{Proof, series_with};
use crate::recheck::{Confirmed, recheck};
use std::time::Instant;

fn merge(all: &mut Confirmed, some: Confirmed) {
    for (k, n) in some {
        *all.entry(k).or_default() += n;
    }
}

fn random(real: bool, n: u64) -> (u64, Confirmed) {
    let mut all = Confirmed::new();
    let mut proofs = 0;
    let look = &mut |p: &Proof<'_>| {
        proofs += 1;
        let t = Instant::now();
        let r = recheck(p.evidence, p.reference, p.subject, p.region);
        let dt = t.elapsed();
        if dt.as_millis() > 300 { eprintln!("slow {dt:?} {} {} leaves", p.evidence.property, p.evidence.tree.closures().count()); }
        merge(&mut all, r?);
        Ok(())
    };
    match series_with(real, 0, n, look) {
        Ok(counts) => println!("{counts}"),
        Err(e) => panic!("{e}"),
    }
    (proofs, all)
}

#[test]
fn random_grid_proofs_are_confirmed() {
    let (proofs, all) = random(false, 100);
    println!("{proofs} proofs: {all:?}");
}

#[test]
fn random_real_proofs_are_confirmed() {
    let (proofs, all) = random(true, 100);
    println!("{proofs} proofs: {all:?}");
}
