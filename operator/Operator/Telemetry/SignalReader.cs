using Bursar.Agent.Client;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Asks one agent for its signals by long poll, over the session's connection, while the node hosts pods that something scales by;
/// else it sleeps. One for each agent, however many scalers there are.
/// </summary>
internal sealed partial class SignalReader(AgentPod agent, AgentCollector collector, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(20);

    /// <summary>
    /// A scrape and a sample of the devices come each second, each with an answer: what comes close together is taken together.
    /// </summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>An agent of an older version does not wait; nor does it read pods more often than every five seconds.</summary>
    private static readonly TimeSpan StaleInterval = TimeSpan.FromSeconds(1);

    private readonly AsyncAutoResetEvent _changed = new(time, "pods that are scaled");

    /// <summary>Other pods are on the node, or others of them are scaled.</summary>
    public void TargetsChanged() => _changed.Set();

    /// <summary>Runs until cancelled.</summary>
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
                    if (!collector.Take(agent.Node, report))
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
                    // An agent's strange answer must not take the operator down.
                    known = null;
                    LogStrange(exception, agent.Node);
                    return collector.Backoff(++failures);
                }
            },
            cancellationToken
        );
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Reading agent signals failed: Node={Node} Error={Error}")]
    private partial void LogUnreachable(string node, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Processing agent signals failed: Node={Node}")]
    private partial void LogStrange(Exception exception, string node);
}
