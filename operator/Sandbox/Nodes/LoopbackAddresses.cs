using System.Net;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Hands out addresses of 127.0.0.0/8, 1,016 a simulator: every pod, node and agent has its own, so that real ports and
/// checks of the source address hold. The block follows from the process and a counter, so that test processes side by
/// side on one machine rarely meet; a port that is taken nevertheless is an error of whoever binds it, never silent.
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
        // 127.0/16 stays with the machine's own services; 1 to 127 times 256 blocks of 256 addresses, taken four at a time.
        var block = (Environment.ProcessId * 37 + Interlocked.Increment(ref _blocks)) % (127 * 64);
        _second = (byte)(1 + block / 64);
        _third = (byte)(block % 64 * 4);
    }

    public IPAddress Next()
    {
        lock (_lock)
        {
            // A returned address rests until the fresh ones are used up, so that late packets meet nobody new.
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
