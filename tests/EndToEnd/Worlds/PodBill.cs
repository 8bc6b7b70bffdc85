using Bursar.Core.Money;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>The test's own bill: each pod's last state as the API showed it, priced without the operator's ledger.</summary>
public sealed class PodBill : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, V1Pod> _last = new(StringComparer.Ordinal);
    private readonly Task _running;

    private PodBill(Scene scene, Informer<V1Pod> pods)
    {
        pods.AddHandler(
            new()
            {
                Added = Note,
                Updated = (_, pod) => Note(pod),
                Deleted = Note,
            }
        );
        Scene = scene;
        _running = pods.RunAsync(_stop.Token);
    }

    private Scene Scene { get; }

    public static async Task<PodBill> OpenAsync(Scene scene)
    {
        var pods = new Informer<V1Pod>(scene.World.Client, new() { Namespace = scene.Team });
        var bill = new PodBill(scene, pods);
        await pods.HasSyncedAsync(CancellationToken.None);
        return bill;
    }

    public int Pods
    {
        get
        {
            lock (_gate)
                return _last.Count;
        }
    }

    /// <summary>Waits until all pods have ended and the API has their end times.</summary>
    public Amount Total(HourlyCost rate)
    {
        lock (_gate)
        {
            var sum = Amount.Zero;
            foreach (var pod in _last.Values)
            {
                if (PodTimes.ScheduledAt(pod) is not { } from)
                    continue;
                var to = PodTimes.FinishedAt(pod)
                    ?? throw new InvalidOperationException($"{pod.Metadata.Name} has not ended: {pod.Status.Phase}");
                sum += rate.For(to - from);
            }
            return sum;
        }
    }

    /// <summary>Describes the bill for the message of a failure.</summary>
    public override string ToString()
    {
        lock (_gate)
            return string.Join(
                '\n',
                _last.Values.Select(pod =>
                    $"{pod.Metadata.Name}: {PodTimes.ScheduledAt(pod):O} to {PodTimes.FinishedAt(pod):O}, {pod.Status.Phase}"
                )
            );
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        GC.KeepAlive(Scene);
    }

    private void Note(V1Pod pod)
    {
        lock (_gate)
            _last[pod.Metadata.Uid] = pod;
    }
}
