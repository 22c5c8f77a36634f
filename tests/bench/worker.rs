//! What is measured: a client and a server that know nothing of where their sockets come from. They
//! are this same program, started again on the kernel's sockets or on ours.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a stream is written, and how many connections or round trips make one figure.
const STREAM_TIME: Duration = Duration::from_millis(700);
const CONNECTIONS: u32 = 8_000;
const ROUND_TRIPS: u32 = 8_000;

/// Runs `worker serve KIND ADDRESS` or `worker drive KIND ADDRESS`; the latter prints its figure.
pub fn main(args: &[String]) -> std::io::Result<()> {
    let [role, kind, address] = args else { panic!("worker serve|drive KIND ADDRESS") };
    if role == "serve" {
        let listener = TcpListener::bind(address)?;
        return match kind.as_str() {
            "connections" => serve_connections(&listener),
            "pingpong" => serve_pingpong(listener.accept()?.0),
            size => serve_stream(listener.accept()?.0, size.parse().expect("a size")),
        };
    }
    let figure = match kind.as_str() {
        "connections" => drive_connections(address)?,
        "pingpong" => drive_pingpong(TcpStream::connect(address)?)?,
        size => drive_stream(TcpStream::connect(address)?, size.parse().expect("a size"))?,
    };
    println!("{figure}");
    Ok(())
}

fn serve_connections(listener: &TcpListener) -> std::io::Result<()> {
    for _ in 0..CONNECTIONS {
        let (mut stream, _) = listener.accept()?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.write_all(&byte)?;
    }
    Ok(())
}

/// Connect, one byte there and back, close: how many per second. The server closes first, so that
/// it, and not the client's port range, has to bear the kernel's TIME-WAIT.
fn drive_connections(address: &str) -> std::io::Result<f64> {
    let begin = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"x")?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer[..1])?;
        assert_eq!(stream.read(&mut answer)?, 0);
    }
    Ok(f64::from(CONNECTIONS) / begin.elapsed().as_secs_f64())
}

fn serve_pingpong(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 {
        stream.write_all(&byte)?;
    }
    Ok(())
}

/// One byte there and back on one connection: microseconds.
fn drive_pingpong(mut stream: TcpStream) -> std::io::Result<f64> {
    stream.set_nodelay(true)?;
    let mut byte = [7];
    let begin = Instant::now();
    for _ in 0..ROUND_TRIPS {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(ROUND_TRIPS))
}

fn serve_stream(mut stream: TcpStream, size: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; size];
    let mut total = 0u64;
    loop {
        match stream.read(&mut buffer)? {
            0 => return stream.write_all(&total.to_le_bytes()),
            n => total += n as u64,
        }
    }
}

/// One way, in writes of `size` bytes, until the other side has it all: Gb/s.
fn drive_stream(mut stream: TcpStream, size: usize) -> std::io::Result<f64> {
    let buffer = vec![7; size];
    let begin = Instant::now();
    let mut sent = 0u64;
    while begin.elapsed() < STREAM_TIME {
        stream.write_all(&buffer)?;
        sent += size as u64;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut total = [0; 8];
    stream.read_exact(&mut total)?;
    let elapsed = begin.elapsed().as_secs_f64();
    assert_eq!(u64::from_le_bytes(total), sent, "bytes were lost");
    Ok(sent as f64 * 8e-9 / elapsed)
}
