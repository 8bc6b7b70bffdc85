using Bursar.Agent.Client;
using Bursar.Concurrency;
using Bursar.Core.Usage;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// The talk with one agent under one identity: its targets whenever they change, its usage by long poll. It ends when the
/// agent's pod, its address or the certificates change, and another begins. While something scales by the node's pods, it asks for
/// their signals too.
/// </summary>
internal sealed partial class AgentSession(AgentPod agent, AgentTrust trust, AgentCollector collector, TimeProvider time, ILogger logger)
{
    /// <summary>How long an agent may keep a question open.</summary>
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(20);

    /// <summary>
    /// While what was read is not yet written, the agent answers at once, with all of it again: it is asked this often,
    /// and less often where that is much.
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

    /// <summary>What the agent reads the GPUs by, as it said last.</summary>
    public string? Source => _source;

    public void TargetsChanged()
    {
        _targetsChanged.Set();
        _signals.TargetsChanged();
    }

    /// <summary>Runs until cancelled.</summary>
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
                // A pod's owner is about to come into the cache.
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
                var asked = time.GetTimestamp();
                try
                {
                    // The first question waits for nothing: it makes the connection, and shows at once whether the agent is there.
                    var report = await client.GetUsageAsync(after, _answers ? Poll : TimeSpan.Zero, token);
                    if (!collector.Take(agent.Node, report, after))
                        return collector.Backoff(++failures);
                    failures = 0;
                    _source = report.Source;
                    Answered();
                    // Written and answered at once: whatever made it hurry must not make it be asked in a tight loop.
                    return IsWritten(report) && time.GetElapsedTime(asked) >= Interval ? TimeSpan.Zero : IntervalOf(report);
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
                    // An agent's strange answer must not take the operator down.
                    LogStrange(exception, agent.Node);
                    Failed("strange");
                    return collector.Backoff(++failures);
                }
            },
            cancellationToken
        );
    }

    /// <summary>Whether everything of the report is safely written, so that the next question waits for news.</summary>
    private bool IsWritten(UsageReport report) =>
        collector.Cursor(agent.Node) is { } cursor && cursor.Epoch == report.Epoch && cursor.Seq >= report.Next - 1;

    private static TimeSpan IntervalOf(UsageReport report)
    {
        var much = TimeSpan.FromSeconds(
            (double)(report.Intervals.Count + report.Progress.Count + report.Tokens.Count + report.Checkpoints.Count) / RepeatedPerSecond
        );
        return much < Interval ? Interval
            : much > SlowestInterval ? SlowestInterval
            : much;
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
        // An agent that started anew knows no targets.
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
    private partial void LogStrange(Exception exception, string node);
}
