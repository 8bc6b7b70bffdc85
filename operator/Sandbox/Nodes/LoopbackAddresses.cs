using System.Net;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Allocates addresses of 127.0.0.0/8, 1,016 per simulator. Each pod, node and agent has its own, so that real ports and checks of the
/// source address work. The block depends on the process id and a counter, so that parallel test processes rarely collide. After a
/// collision, binding a port fails.
/// </summary>
internal sealed class LoopbackAddresses
{
    private static int _blocks = -1;

    private readonly Lock _lock = new();
    private readonly Queue<IPAddress> _free = [];
    private readonly byte _second;
    private readonly byte _third;
    private int _next;

    public LoopbackAddresses()
    {
        // 127.0/16 is left to the machine's own services. A block is four /24 networks in 127.1/16 to 127.127/16.
        var block = (Environment.ProcessId * 37 + Interlocked.Increment(ref _blocks)) % (127 * 64);
        _second = (byte)(1 + block / 64);
        _third = (byte)(block % 64 * 4);
    }

    public IPAddress Next()
    {
        lock (_lock)
        {
            // Reuse returned addresses only after all fresh ones, so that late packets do not reach a new pod.
            if (_next < 4 * 254)
            {
                var at = _next++;
                return new IPAddress([127, _second, (byte)(_third + at / 254), (byte)(1 + at % 254)]);
            }

            return _free.TryDequeue(out var address)
                ? address
                : throw new InvalidOperationException("A simulator has 1,016 addresses, and all are in use.");
        }
    }

    public void Return(IPAddress address)
    {
        lock (_lock)
            _free.Enqueue(address);
    }
}
