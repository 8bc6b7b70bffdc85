using System.Net;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Leases;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Agent;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.Unit.Kubernetes;

/// <summary>Log messages of an operator while its API server is unreachable.</summary>
public sealed class ServerReachabilityTests
{
    private readonly VirtualTimeProvider _time = new();
    private readonly Lines _lines = new();

    [Fact]
    public void Outage_is_logged_once_then_at_growing_intervals_and_at_its_end()
    {
        var reachability = new ServerReachability(new Uri("https://server:6443"), _time, _lines);
        for (var second = 0; second < 4 * 3600; second++)
        {
            for (var loop = 0; loop < 30; loop++)
                reachability.Failed("Connection refused");
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        reachability.IsDown.Should().BeTrue();
        reachability.Answered();

        reachability.IsDown.Should().BeFalse();
        _lines.All.First().Should().Contain("is unreachable, retrying: Connection refused");
        _lines.All.Last().Should().Contain("answers again after 04:00:00, 432000 requests had failed");
        _lines.All.Should().HaveCountLessThan(12).And.HaveCountGreaterThan(6);
    }

    [Fact]
    public void Single_broken_connection_is_no_outage()
    {
        var reachability = new ServerReachability(new Uri("https://server:6443"), _time, _lines);
        for (var i = 0; i < 100; i++)
        {
            reachability.Failed("Connection reset");
            reachability.Failed("Connection reset");
            reachability.Answered();
        }
        _lines.All.Should().BeEmpty();
    }

    [Fact]
    public void Server_that_comes_and_goes_is_not_logged_each_time()
    {
        var reachability = new ServerReachability(new Uri("https://server:6443"), _time, _lines);
        for (var second = 0; second < 600; second++)
        {
            for (var i = 0; i < 3; i++)
                reachability.Failed("Connection refused");
            reachability.Answered();
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        _lines.All.Should().HaveCountLessThanOrEqualTo(2 * 11);
    }

    [Fact]
    public async Task Loops_are_silent_while_the_server_is_away()
    {
        using var client = new KubeClient(
            new KubeConfig { Server = new Uri("http://127.0.0.1:1") },
            new() { TimeProvider = _time, LoggerFactory = _lines }
        );
        using var stop = new CancellationTokenSource();
        Task[] loops =
        [
            new Informer<V1Pod>(client).RunAsync(stop.Token),
            new Informer<V1Node>(client).RunAsync(stop.Token),
            new Informer<V1Job>(client).RunAsync(stop.Token),
            new LeaderElector(
                client,
                new()
                {
                    Namespace = "bursar",
                    Name = "bursar",
                    Identity = "me",
                }
            ).RunAsLeaderAsync(_ => Task.CompletedTask, stop.Token),
        ];
        // Each loop retries for an hour.
        for (var i = 0; i < 1200; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(3));
            await Task.Delay(1);
        }
        await Eventually.TrueAsync(
            () => _lines.All.Any(line => line.Contains("is still unreachable", StringComparison.Ordinal)),
            "it says that the outage goes on"
        );
        await stop.CancelAsync();
        await Task.WhenAll(loops)
            .WaitAsync(TimeSpan.FromSeconds(30))
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

        _lines
            .All.Should()
            .HaveCountLessThan(20)
            .And.ContainSingle(line => line.Contains("is unreachable, retrying", StringComparison.Ordinal));
    }

    [Fact]
    public void Refusal_that_lasts_is_logged_at_growing_intervals_whatever_its_request_was()
    {
        using var client = new KubeClient(new KubeConfig { Server = new Uri("http://127.0.0.1:1") }, new() { TimeProvider = _time });
        var log = new FailureLog(client);
        var lines = 0;
        for (var second = 0; second < 3600; second++)
        {
            if (
                log.IsNews(
                    new ApiException((int)HttpStatusCode.Forbidden, "Forbidden", $"GET /api/v1/pods?timeoutSeconds={second}: forbidden")
                )
            )
                lines++;
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        lines.Should().BeInRange(5, 7);
        log.Succeeded().Should().BeTrue();
        log.Succeeded().Should().BeFalse();
        log.IsNews(new ApiException(403, "Forbidden", "again")).Should().BeTrue();
    }

    private sealed class Lines : ILoggerFactory, ILogger
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

        public IReadOnlyCollection<string> All => _lines;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (IsEnabled(logLevel))
                _lines.Enqueue(formatter(state, exception));
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
