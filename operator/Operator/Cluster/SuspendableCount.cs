using Bursar.Core.Ledger;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Number of workloads that could be suspended, for the circuit breaker. Counted at most every five seconds. Thread-safe.
/// </summary>
internal sealed class SuspendableCount(ClusterStores stores, TimeProvider time)
{
    private static readonly TimeSpan Age = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private DateTimeOffset _countedAt = DateTimeOffset.MinValue;
    private int _count;

    public int Read()
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            if (now - _countedAt < Age)
                return _count;
            _countedAt = now;
            // Parts are counted with their workload.
            _count = stores
                .Kinds.Where(cache => cache.Kind.Scales || !cache.Kind.Serves)
                .Sum(cache =>
                    cache
                        .All()
                        .Count(work =>
                            (!work.IsStopped || AdmissionGate.IsGated(work))
                            && !work.IsFinished
                            && work.HasGpus
                            && !work.IsPart
                            && (!work.Kind.Scales || work.Class == WorkloadClass.Training)
                        )
                );
            return _count;
        }
    }
}
