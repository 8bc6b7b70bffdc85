using Bursar.Agent.Client;
using Bursar.Concurrency;
using Bursar.Core.Usage;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// The connection to one agent with one identity. It sends targets when they change and reads usage by long poll. It is replaced when the
/// agent's pod, its address or the certificates change. While the node has scaled pods, it also reads their signals.
/// </summary>
internal sealed partial class AgentSession(AgentPod agent, AgentTrust trust, AgentCollector collector, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(20);

    /// <summary>
    /// Interval while the last report is not written yet. Until then the agent answers each poll at once with all of it. Longer for large
    /// reports.
    /// </summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan SlowestInterval = TimeSpan.FromSeconds(15);
    private const int RepeatedPerSecond = 25;

    private readonly AsyncAutoResetEvent _targetsChanged = new(time, "targets of an agent");
    private readonly SignalReader _signals = new(agent, collector, time, logger);
    private volatile string? _sent;
    private volatile string? _source;
    private volatile bool _answers;

    public AgentPod Agent => agent;

    public AgentTrust Trust => trust;

    public bool Answers => _answers;

    public string? Source => _source;

    public void TargetsChanged()
    {
        _targetsChanged.Set();
        _signals.TargetsChanged();
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var client = new AgentClient(
                new()
                {
                    NodeName = agent.Node,
                    Address = agent.Address,
                    RootsPem = trust.RootsPem,
                    Certificate = trust.Certificate,
                    Time = time,
                }
            );
            await Task.WhenAll(
                SendTargetsAsync(client, cancellationToken),
                QueryAsync(client, cancellationToken),
                _signals.RunAsync(client, cancellationToken)
            );
        }
        finally
        {
            _answers = false;
        }
    }

    private Task SendTargetsAsync(AgentClient client, CancellationToken cancellationToken)
    {
        var failures = 0;
        return PeriodicLoop.RunAsync(
            time,
            $"targets of {agent.Node}",
            async token =>
            {
                var (list, complete) = collector.Targets(agent.Node);
                try
                {
                    if (_sent != list.Revision)
                    {
                        await client.PutTargetsAsync(list, token);
                        _sent = list.Revision;
                    }
                    failures = 0;
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    LogNotSent(agent.Node, exception.Message);
                    collector.Failed(this, "targets");
                    return collector.Backoff(++failures);
                }
                // The owner of a pod is not cached yet.
                if (!complete)
                    return Interval;
                await _targetsChanged.WaitAsync(token);
                return TimeSpan.Zero;
            },
            cancellationToken
        );
    }

    private Task QueryAsync(AgentClient client, CancellationToken cancellationToken)
    {
        var failures = 0;
        return PeriodicLoop.RunAsync(
            time,
            $"usage of {agent.Node}",
            async token =>
            {
                var after = collector.Cursor(agent.Node);
                var started = time.GetTimestamp();
                try
                {
                    // The first poll returns at once, to connect and to show that the agent works.
                    var report = await client.GetUsageAsync(after, _answers ? Poll : TimeSpan.Zero, token);
                    if (!collector.Record(agent.Node, report, after))
                        return collector.Backoff(++failures);
                    failures = 0;
                    _source = report.Source;
                    Answered();
                    // If the agent answers at once although everything is written, wait nevertheless to avoid a tight loop.
                    return IsWritten(report) && time.GetElapsedTime(started) >= Interval ? TimeSpan.Zero : IntervalOf(report);
                }
                catch (AgentException exception)
                {
                    if (_answers)
                        LogLost(agent.Node, exception.Message);
                    else
                        LogUnreachable(agent.Node, exception.Message);
                    Failed("unreachable");
                    return collector.Backoff(++failures);
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    // An unexpected answer must not stop the operator.
                    LogUnexpected(exception, agent.Node);
                    Failed("strange");
                    return collector.Backoff(++failures);
                }
            },
            cancellationToken
        );
    }

    /// <summary>Whether the whole report is durably written, so that the next poll waits for news.</summary>
    private bool IsWritten(UsageReport report) =>
        collector.Cursor(agent.Node) is { } cursor && cursor.Epoch == report.Epoch && cursor.Seq >= report.Next - 1;

    private static TimeSpan IntervalOf(UsageReport report)
    {
        var interval = TimeSpan.FromSeconds(
            (double)(report.Intervals.Count + report.Progress.Count + report.Tokens.Count + report.Checkpoints.Count) / RepeatedPerSecond
        );
        return interval < Interval ? Interval
            : interval > SlowestInterval ? SlowestInterval
            : interval;
    }

    private void Answered()
    {
        if (!_answers)
        {
            _answers = true;
            LogAnswers(agent.Node, agent.Address.ToString());
            if (_sent is null)
                _targetsChanged.Set();
        }
        collector.Answered(this);
    }

    private void Failed(string reason)
    {
        // A restarted agent has no targets.
        _sent = null;
        _answers = false;
        collector.Failed(this, reason);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Connected to agent: Node={Node} Address={Address}")]
    private partial void LogAnswers(string node, string address);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Agent became unreachable: Node={Node} Error={Error}")]
    private partial void LogLost(string node, string error);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Agent is unreachable: Node={Node} Error={Error}")]
    private partial void LogUnreachable(string node, string error);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Sending targets to agent failed: Node={Node} Error={Error}")]
    private partial void LogNotSent(string node, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Processing agent report failed: Node={Node}")]
    private partial void LogUnexpected(Exception exception, string node);
}
