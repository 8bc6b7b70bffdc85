using Bursar.Core.Text;
using Bursar.Kubernetes.Config;
using Bursar.Operator.Hosting;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>A running operator, possibly one of several.</summary>
public sealed class Replica : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RestartAfter = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly System.Collections.Concurrent.ConcurrentQueue<Exception> _ends = new();
    private readonly ListeningLog _log = new();
    private DateTimeOffset? _endedAt;
    private readonly TaskCompletionSource<OperatorParts> _leads = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="restart">Restarts it a while after it ended by itself, as a Deployment does.</param>
    internal Replica(OperatorOptions options, KubeConfig config, TimeProvider time, bool restart = false) =>
        Running = Task.Run(
            async () =>
            {
                while (true)
                {
                    try
                    {
                        await OperatorHost.RunAsync(
                            options,
                            config,
                            time,
                            _log,
                            parts =>
                            {
                                if (_endedAt is { } at)
                                    Away += time.GetUtcNow() - at;
                                _endedAt = null;
                                _leads.TrySetResult(parts);
                            },
                            _stop.Token
                        );
                        return;
                    }
                    catch (Exception end) when (restart && !_stop.IsCancellationRequested)
                    {
                        _endedAt ??= time.GetUtcNow();
                        _ends.Enqueue(end);
                    }
                    await Task.Delay(RestartAfter, time, _stop.Token);
                }
            },
            CancellationToken.None
        );

    /// <summary>
    /// The time between its ends and when it led again. Virtual time does not wait for a process that starts, so it depends on the
    /// machine.
    /// </summary>
    public TimeSpan Away { get; private set; }

    /// <summary>The failure that ended it, for each restart.</summary>
    public IReadOnlyList<Exception> Ends => [.. _ends];

    public Task Running { get; }

    public bool Leads => _leads.Task.IsCompletedSuccessfully;

    internal OperatorParts Parts => _leads.Task.Result;

    internal async Task<OperatorParts> LeadsAsync(CancellationToken ct)
    {
        await Task.WhenAny(_leads.Task, Running).WaitAsync(Deadline, ct);
        if (Running.IsCompleted)
            await Running;
        return await _leads.Task;
    }

    /// <summary>
    /// Waits, on the wall clock, until it is ready and waits for the lease: virtual time does not wait for a process that starts.
    /// </summary>
    public async Task StandsByAsync(CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Deadline);
        using var client = new HttpClient();
        var ready = $"http://{await _log.Address.WaitAsync(limit.Token)}/readyz";
        while (true)
        {
            using var answer = await client.GetAsync(ready, limit.Token);
            if (answer.IsSuccessStatusCode)
                return;
            await Task.Delay(20, limit.Token);
        }
    }

    public async Task<List<PrometheusSample>> MetricsAsync(CancellationToken ct)
    {
        using var client = new HttpClient();
        return PrometheusText.Parse(await client.GetByteArrayAsync($"http://{await _log.Address.WaitAsync(Deadline, ct)}/metrics", ct));
    }

    /// <summary>host:port of its metrics page.</summary>
    public Task<string> AddressAsync(CancellationToken ct) => _log.Address.WaitAsync(Deadline, ct);

    /// <summary>The address of its admission webhook.</summary>
    public Task<string> WebhookAsync(CancellationToken ct) => _log.Webhook.WaitAsync(Deadline, ct);

    public Task CancelAsync() => _stop.CancelAsync();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    /// <summary>Receives the addresses of the operator's endpoints, whose ports are any free ones, and drops the rest.</summary>
    private sealed class ListeningLog : ILoggerFactory, ILogger
    {
        private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<string> _webhook = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> Webhook => _webhook.Task;

        public Task<string> Address => _address.Task;

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) { }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (eventId.Name == "LogListening" && state is IReadOnlyList<KeyValuePair<string, object?>> values)
                ((string)values.Single(v => v.Key == "Endpoint").Value! == "webhook" ? _webhook : _address).TrySetResult(
                    (string)values.Single(v => v.Key == "Address").Value!
                );
        }

        public void Dispose() { }
    }
}
