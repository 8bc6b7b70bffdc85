using System.Net;
using System.Net.Sockets;

namespace Bursar.Tests.TestKit;

/// <summary>Loopback ports for programs that need their port before they start.</summary>
public static class FreePort
{
    // Below the range from which Linux takes the ports of outgoing connections (32768 and up). A port from that range is often
    // taken by a connection of another test before the program listens.
    private const int First = 20000;
    private const int Count = 12000;

    private static int _next = Random.Shared.Next(Count);

    /// <summary>Returns a port without a listener. No two calls of one process get the same.</summary>
    public static int Next()
    {
        for (var attempt = 0; attempt < Count; attempt++)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _next) % Count);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse) { }
        }

        throw new InvalidOperationException($"every port from {First} to {First + Count - 1} of 127.0.0.1 is in use");
    }
}
