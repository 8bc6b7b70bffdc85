using Bursar.Agent.Client;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Reads the signals of one agent by long poll over the session's connection while the node has scaled pods; otherwise it waits. There is
/// one per agent, whatever the number of scalers.
/// </summary>
internal sealed partial class SignalReader(AgentPod agent, AgentCollector collector, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(20);

    /// <summary>Pause between polls, so that a scrape and a device sample that come close together are read together.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>Interval for an agent of an older version, which does not support long polls and reads pods every five seconds.</summary>
    private static readonly TimeSpan StaleInterval = TimeSpan.FromSeconds(1);

    private readonly AsyncAutoResetEvent _changed = new(time, "pods that are scaled");

    /// <summary>Must be called when the node's pods or the scaled ones among them changed.</summary>
    public void TargetsChanged() => _changed.Set();

    public Task RunAsync(AgentClient client, CancellationToken cancellationToken)
    {
        long? known = null;
        var failures = 0;
        return PeriodicLoop.RunAsync(
            time,
            $"signals of {agent.Node}",
            async token =>
            {
                if (!collector.WantsSignals(agent.Node))
                {
                    known = null;
                    await _changed.WaitAsync(token);
                    return TimeSpan.Zero;
                }
                try
                {
                    var report = await client.GetSignalsAsync(known, known is null ? TimeSpan.Zero : Poll, token);
                    known = report.Revision;
                    if (!collector.Record(agent.Node, report))
                        return collector.Backoff(++failures);
                    failures = 0;
                    return known is null ? StaleInterval : Interval;
                }
                catch (AgentException exception)
                {
                    known = null;
                    LogUnreachable(agent.Node, exception.Message);
                    return collector.Backoff(++failures);
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    // An unexpected answer must not stop the operator.
                    known = null;
                    LogUnexpected(exception, agent.Node);
                    return collector.Backoff(++failures);
                }
            },
            cancellationToken
        );
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Reading agent signals failed: Node={Node} Error={Error}")]
    private partial void LogUnreachable(string node, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Processing agent signals failed: Node={Node}")]
    private partial void LogUnexpected(Exception exception, string node);
}
