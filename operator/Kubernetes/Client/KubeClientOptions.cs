using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Kubernetes.Client;

public sealed record KubeClientOptions
{
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Null: <c>bursar/&lt;version&gt;</c>. A value that looks like a browser or curl makes the API server pretty-print, which doubles the
    /// size of responses.
    /// </summary>
    public string? UserAgent { get; init; }

    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>The source of random watch lifetimes and back-offs. Locked while used. Each program seeds it per process.</summary>
    public Random Random { get; init; } = new(20261121);

    /// <summary>
    /// Called before each write. If it returns false, the write is not sent and throws <see cref="LeadershipLostException"/>. Leases are
    /// exempt, because leadership could never be regained otherwise.
    /// </summary>
    public Func<bool>? WriteFence { get; init; }

    /// <summary>Limit for a response to start, and then for its body. While a list is read, it limits each piece.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a throttled request (429) is retried.</summary>
    public int MaxThrottleRetries { get; init; } = 5;

    /// <summary>How often a read is retried after a broken connection or a server error.</summary>
    public int MaxReadRetries { get; init; } = 2;

    /// <summary>A watch ends after this time without an event or bookmark. The server sends a bookmark about once a minute.</summary>
    public TimeSpan WatchIdleTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Answers requests instead of a server, for simulations. Null: the server of the kubeconfig answers.</summary>
    internal DelegatingHandler? Transport { get; init; }
}
