//! Compiles a network from the library, without the command line: `compile NET REGIONS RADIUS OUT`.
use ceg4n_driver::options::CompileOptions;
use ceg4n_driver::{Cancel, Event, Progress};

struct Print;
impl Progress for Print {
    fn note(&self, event: &Event) {
        if std::env::var_os("V").is_some() { eprintln!("{event:?}"); }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut o = CompileOptions::new(&args[1]);
    if args.len() > 2 && !args[2].is_empty() { o.load.regions = vec![args[2].clone().into()]; 
    o.load.ball_sizes = vec![args[3].parse().unwrap()];
    o.load.require = Some(ceg4n_ir::Property::Top1); }
    o.output = Some(args[4].clone().into());
    match ceg4n_driver::compile::compile(&o, &Print, &Cancel::default()) {
        Ok(c) => {
            let r = c.report;
            println!("{:?} {:?} total {:.2}s search {:.2} verify {:.2} loop {:?}", r.status, r.reason, r.seconds.total, r.seconds.search, r.seconds.verify, r.loop_.as_ref().map(|l| (l.iterations, l.candidates, l.counterexamples, l.set_aside.len(), l.optimality.clone())));
            println!("{:?} layers {:?}", r.cost, r.layers.iter().map(|l| (l.weight.format.clone(), l.activation.format.clone())).collect::<Vec<_>>());
            for g in r.regions { println!("  {} {} {} m={:?} changes={} vac={} {} {:.3}s boxes {} pts {} {:?}", g.id, g.verdict, g.requirement, g.margin_proved, g.reference_changes_class, g.vacuous, g.method, g.seconds, g.boxes, g.points, g.reason); }
        }
        Err(f) => eprintln!("{}", f.sources.render(&f.diagnostics, false)),
    }
}
