using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Bursar.Agent.Certificates;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Bursar.Concurrency;
using Bursar.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// A complete agent: sampler, scrapes, journal and three HTTP endpoints. It has no static state, so one process can run many
/// (simulated nodes). <see cref="DisposeAsync"/> stops it and journals the open intervals.
/// </summary>
public sealed partial class AgentServer : IAsyncDisposable
{
    /// <summary>Limits connections in total and per address, so that a pod cannot lock out the others.</summary>
    private const int PodConnections = 256;
    private const int PodConnectionsPerAddress = 16;

    private readonly CancellationTokenSource _stopping = new();
    private readonly ILogger<AgentServer> _logger;
    private readonly TimeProvider _time;
    private readonly AgentCounters _counters = new();
    private readonly ConcurrentDictionary<IPAddress, int> _podConnections = new();
    private readonly CertificateFolder _certificates;
    private readonly ProgressIntake _progress;
    private readonly PodScraper _scraper;
    private readonly WebApplication _application;
    private volatile string? _failure;
    private bool _disposed;

    private AgentServer(AgentOptions options, IGpuReader gpus, IPodResources podResources, TimeProvider time, ILoggerFactory loggers)
    {
        this._time = time;
        _logger = loggers.CreateLogger<AgentServer>();
        Journal = UsageJournal.Open(options.Journal, options.Random, time, loggers.CreateLogger<UsageJournal>());
        Targets = new TargetStore();
        _certificates = new CertificateFolder(options.CertificateDirectory, time, loggers.CreateLogger<CertificateFolder>());
        _certificates.Check();
        _progress = new ProgressIntake(Journal, time);
        var checkpoints = new CheckpointIntake(Journal, time);
        _scraper = new PodScraper(options.Scrape, time);
        var uids = new PodUidResolver(Targets, options.LogRoot, options.ProcRoot, time);
        Sampler = new Sampler(gpus, podResources, uids, Journal, _counters, time, loggers.CreateLogger<Sampler>());
        Scrapes = new ScrapeLoop(
            _scraper,
            options.Scrape,
            Targets,
            _progress,
            new TokenIntake(Journal, time),
            _counters,
            time,
            loggers.CreateLogger<ScrapeLoop>(),
            checkpoints
        );
        Sampler.UnusedCacheOf = Scrapes.UnusedCacheOf;

        var signals = new SignalRevision(time);
        Scrapes.Changed += signals.Advance;
        // Devices that no pod holds are not part of any signal.
        Sampler.Changed += () =>
        {
            if (Sampler.View is { Holdings.Count: > 0 })
                signals.Advance();
        };
        var operatorEndpoint = new OperatorEndpoint(
            options.NodeName,
            Journal,
            Targets,
            Sampler,
            Scrapes,
            signals,
            time,
            _stopping.Token,
            loggers.CreateLogger<OperatorEndpoint>()
        );
        var podEndpoint = new PodEndpoint(Targets, _progress, checkpoints, _counters, time);
        var metricsEndpoint = new MetricsEndpoint(
            options.NodeName,
            Version,
            Sampler,
            Scrapes,
            Journal,
            _certificates,
            _counters,
            () => _failure,
            time.GetUtcNow(),
            time
        );

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder
            .Services.AddSingleton(loggers)
            .AddCallersLifetime()
            .Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5))
            .AddLoop(token => WatchAsync("sampler", Sampler.RunAsync, token))
            .AddLoop(token => WatchAsync("scrapes", Scrapes.RunAsync, token));
        if (options.CertificateDirectory is not null)
            builder.Services.AddLoop(token => WatchAsync("certificates", _certificates.RunAsync, token));
        builder
            .WebHost.UseKestrelCore()
            .ConfigureKestrel(kestrel =>
            {
                kestrel.AddServerHeader = false;
                kestrel.Limits.MaxRequestBodySize = 16 * 1024 * 1024;
                kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
                Listen(kestrel, options.OperatorAddress, listener =>
                {
                    listener.Use(RefuseWithoutCertificates);
                    listener.UseHttps(
                        new TlsHandshakeCallbackOptions { OnConnection = _ => new ValueTask<SslServerAuthenticationOptions>(Handshake()) }
                    );
                    listener.Use(next => connection => Enter(operatorEndpoint.HandleAsync, next, connection));
                });
                Listen(kestrel, options.PodAddress, listener =>
                {
                    listener.Use(LimitPods);
                    listener.Use(next => connection => Enter(podEndpoint.HandleAsync, next, connection));
                });
                Listen(kestrel, options.MetricsAddress, listener =>
                    listener.Use(next => connection => Enter(metricsEndpoint.HandleAsync, next, connection))
                );
            });
        _application = builder.Build();
        // Pending long polls are answered at once when the agent stops.
        _application.Lifetime.ApplicationStopping.Register(_stopping.Cancel);
        _application.Run(context =>
        {
            LongPoll.Serve(context.Request.Headers[LongPoll.RequestHeader]);
            return context.Features.GetRequiredFeature<ConnectionHandler>().HandleAsync(context);
        });
    }

    /// <summary>The version, the same as that of the operator and the chart.</summary>
    public static string Version { get; } =
        typeof(AgentServer).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";

    /// <summary>The bound addresses; empty before <see cref="StartAsync"/>.</summary>
    public AgentAddresses Addresses { get; private set; } = new("", "", "");

    public UsageJournal Journal { get; }

    public TargetStore Targets { get; }

    public Sampler Sampler { get; }

    public ScrapeLoop Scrapes { get; }

    /// <summary>Starts listening and sampling. The caller disposes <paramref name="gpus"/>, after the agent.</summary>
    /// <exception cref="IOException">An address is in use or not available.</exception>
    /// <exception cref="FormatException">An address is not <c>host:port</c>.</exception>
    public static async Task<AgentServer> StartAsync(
        AgentOptions options,
        IGpuReader gpus,
        IPodResources podResources,
        TimeProvider time,
        ILoggerFactory loggers,
        CancellationToken cancellationToken
    )
    {
        var server = new AgentServer(options, gpus, podResources, time, loggers);
        try
        {
            await server._application.StartAsync(cancellationToken);
        }
        catch (Exception refused)
        {
            await server.DisposeAsync();
            if (refused is SocketException or IOException)
                throw new IOException(
                    $"cannot listen on {options.OperatorAddress}, {options.PodAddress} or {options.MetricsAddress}: {refused.Message}",
                    refused
                );
            throw;
        }
        string[] urls =
        [
            .. server
                ._application.Services.GetRequiredService<IServer>()
                .Features.GetRequiredFeature<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()
                .Addresses,
        ];
        server.Addresses = new AgentAddresses(Bound(urls[0]), Bound(urls[1]), Bound(urls[2]));
        return server;
    }

    /// <summary>
    /// Waits until cancelled. Throws the failure of a background loop; the process then exits and the kubelet restarts it.
    /// </summary>
    public Task WaitForEndAsync(CancellationToken cancellationToken) => _application.WaitForEndAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _application.StopAsync();
        await _application.DisposeAsync();
        _progress.Dispose();
        _scraper.Dispose();
        Journal.Dispose();
        _stopping.Dispose();
    }

    private static string Bound(string url)
    {
        var uri = new Uri(url);
        return $"{uri.Host}:{uri.Port.ToString(CultureInfo.InvariantCulture)}";
    }

    private static void Listen(KestrelServerOptions kestrel, string address, Action<ListenOptions> configure)
    {
        void Configure(ListenOptions listener)
        {
            listener.Protocols = HttpProtocols.Http1;
            configure(listener);
        }
        int colon = address.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            throw new FormatException($"'{address}' is not host:port");
        string host = address[..colon].Trim('[', ']');
        if (host is "*" or "")
        {
            // Kestrel cannot bind port 0 on both address families at once.
            kestrel.Listen(port == 0 || !System.Net.Sockets.Socket.OSSupportsIPv6 ? IPAddress.Any : IPAddress.IPv6Any, port, Configure);
        }
        else if (host == "localhost")
            kestrel.Listen(IPAddress.Loopback, port, Configure);
        else if (IPAddress.TryParse(host, out var ip))
            kestrel.Listen(ip, port, Configure);
        else
            throw new FormatException($"'{host}' is neither an address, nor localhost, nor *");
    }

    private static Task Enter(RequestDelegate handle, ConnectionDelegate next, ConnectionContext connection)
    {
        connection.Features.Set(new ConnectionHandler(handle));
        return next(connection);
    }

    private ConnectionDelegate RefuseWithoutCertificates(ConnectionDelegate next) =>
        connection =>
        {
            if (_certificates.Current is not null)
                return next(connection);
            _counters.ConnectionRefused();
            connection.Abort();
            return Task.CompletedTask;
        };

    private ConnectionDelegate LimitPods(ConnectionDelegate next) =>
        async connection =>
        {
            var address = TargetStore.Plain((connection.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None);
            int here = _podConnections.AddOrUpdate(address, 1, (_, n) => n + 1);
            try
            {
                if (here > PodConnectionsPerAddress || _podConnections.Values.Sum() > PodConnections)
                {
                    _counters.ConnectionRefused();
                    connection.Abort();
                    return;
                }
                await next(connection);
            }
            finally
            {
                if (_podConnections.AddOrUpdate(address, 0, (_, n) => n - 1) == 0)
                    _podConnections.TryRemove(new KeyValuePair<IPAddress, int>(address, 0));
            }
        };

    private SslServerAuthenticationOptions Handshake()
    {
        var used = _certificates.Current ?? throw new AuthenticationException("there are no certificates yet");
        return new SslServerAuthenticationOptions
        {
            ServerCertificate = used.Server,
            ClientCertificateRequired = true,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            // A resumed session would skip the check below and so accept a certificate of a replaced root.
            AllowTlsResume = false,
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                string? refusal = PeerCheck.Refusal(
                    certificate as X509Certificate2,
                    used.Roots,
                    PeerPurpose.Client,
                    BursarNames.Operator,
                    _time.GetUtcNow()
                );
                if (refusal is null)
                    return true;
                _counters.ConnectionRefused();
                LogRefused(refusal);
                return false;
            },
        };
    }

    private async Task WatchAsync(string part, Func<CancellationToken, Task> run, CancellationToken cancellationToken)
    {
        try
        {
            await run(cancellationToken);
        }
        catch (Exception exception)
        {
            _failure = $"the {part} failed: {exception.Message}";
            LogPartFailed(exception, part);
            throw;
        }
    }

    private sealed record ConnectionHandler(RequestDelegate HandleAsync);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rejected a client of the operator's port: {Reason}")]
    private partial void LogRefused(string reason);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The {Part} failed")]
    private partial void LogPartFailed(Exception exception, string part);
}
