using Bursar.Kube.Config;
using Bursar.Kube.Http;
using Bursar.Operator;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Cluster.Worlds;

/// <summary>One running operator among possibly several.</summary>
public sealed class Replica : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RestartAfter = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly System.Collections.Concurrent.ConcurrentQueue<Exception> _ends = new();
    private readonly TaskCompletionSource<OperatorParts> _leads = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="restart">Started anew a while after it ended by itself, as a Deployment does.</param>
    public Replica(OperatorOptions options, KubeConfig config, TimeProvider time, ActivityTracker? activity, bool restart = false) =>
        Running = Task.Run(async () =>
        {
            while (true)
            {
                try
                {
                    await Wiring.RunAsync(options, config, time, NullLoggerFactory.Instance, activity, parts => _leads.TrySetResult(parts), _stop.Token);
                    return;
                }
                catch (Exception end) when (restart && !_stop.IsCancellationRequested)
                {
                    _ends.Enqueue(end);
                }
                await Task.Delay(RestartAfter, time, _stop.Token);
            }
        }, CancellationToken.None);

    /// <summary>What ended it, each time that it was started anew.</summary>
    public IReadOnlyList<Exception> Ends => [.. _ends];

    public Task Running { get; }

    public bool Leads => _leads.Task.IsCompletedSuccessfully;

    public OperatorParts Parts => _leads.Task.Result;

    public async Task<OperatorParts> LeadsAsync(CancellationToken ct)
    {
        await Task.WhenAny(_leads.Task, Running).WaitAsync(Deadline, ct);
        if (Running.IsCompleted) await Running;
        return await _leads.Task;
    }

    public Task CancelAsync() => _stop.CancelAsync();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }
}
