using Bursar.Kube.Config;
using Bursar.Kube.Http;
using Bursar.Operator;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Cluster.Worlds;

/// <summary>One running operator among possibly several.</summary>
public sealed class Replica : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<OperatorParts> _leads = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Replica(OperatorOptions options, KubeConfig config, TimeProvider time, ActivityTracker? activity) =>
        Running = Task.Run(() => Wiring.RunAsync(options, config, time, NullLoggerFactory.Instance, activity, _leads.SetResult, _stop.Token), CancellationToken.None);

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
