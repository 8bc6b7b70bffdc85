using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// The port of a simulated container. It serves only <c>GET /metrics</c>, with one request per connection. It is minimal because a
/// simulation has hundreds of them.
/// </summary>
internal sealed class MetricsSocket : IAsyncDisposable
{
    private const int LongestRequest = 8 * 1024;

    private readonly CancellationTokenSource _stop = new();
    private readonly TcpListener _listener;
    private readonly Func<byte[]> _page;
    private readonly Task _loop;

    public MetricsSocket(IPAddress address, int port, Func<byte[]> page)
    {
        _page = page;
        _listener = new TcpListener(address, port);
        _listener.Start();
        _loop = AcceptAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new HashSet<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token).ConfigureAwait(false);
                open.RemoveWhere(static task => task.IsCompleted);
                open.Add(AnswerAsync(client));
            }
        }
        catch (Exception end)
            when (end is OperationCanceledException or SocketException
                || (end is InvalidOperationException && _stop.IsCancellationRequested)
            )
        {
            // The container has ended and its port is closed. A listener that was stopped throws InvalidOperationException.
        }

        await Task.WhenAll(open).ConfigureAwait(false);
    }

    private async Task AnswerAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                var stream = client.GetStream();
                var buffer = new byte[LongestRequest];
                var length = 0;
                while (length < buffer.Length && buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) < 0)
                {
                    var read = await stream.ReadAsync(buffer.AsMemory(length), _stop.Token).ConfigureAwait(false);
                    if (read == 0)
                        return;
                    length += read;
                }

                await stream.WriteAsync(Answer(buffer.AsSpan(0, length)), _stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception end) when (end is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // The client disconnected, or the container ended.
        }
    }

    private byte[] Answer(ReadOnlySpan<byte> request)
    {
        var found = request.StartsWith("GET /metrics "u8) || request.StartsWith("GET /metrics?"u8);
        var body = found ? _page() : "not found\n"u8.ToArray();
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"HTTP/1.1 {(found ? "200 OK" : "404 Not Found")}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n"
        );
        return [.. Encoding.ASCII.GetBytes(head), .. body];
    }
}
