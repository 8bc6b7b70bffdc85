using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Kubernetes.Client;

public sealed record KubeClientOptions
{
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Null: <c>bursar/&lt;version&gt;</c>. Never one that looks like a browser or curl: the server then pretty-prints, which doubles every
    /// answer.
    /// </summary>
    public string? UserAgent { get; init; }

    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>
    /// Spreads watch lifetimes and back-offs. The wiring gives each process a seed of its own; locked while used, so it may be shared.
    /// </summary>
    public Random Random { get; init; } = new(20261121);

    /// <summary>
    /// Asked before each write; false holds it back with <see cref="LeadershipLostException"/>. Leases are exempt, else leadership could
    /// never be regained.
    /// </summary>
    public Func<bool>? WriteFence { get; init; }

    /// <summary>Until the answer starts, and between two pieces of it.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a request that the server puts off (429) is tried again.</summary>
    public int MaxThrottleRetries { get; init; } = 5;

    /// <summary>How often a read that failed on the way or in the server is tried again.</summary>
    public int MaxReadRetries { get; init; } = 2;

    /// <summary>A watch that says nothing for so long, not even a bookmark (the server sends one a minute), is given up.</summary>
    public TimeSpan WatchIdleTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Answers requests in place of a connection, for simulations. Null: the server of the kubeconfig answers.</summary>
    internal DelegatingHandler? Transport { get; init; }
}
