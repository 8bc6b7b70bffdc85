using Bursar.Core.Usage;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Since when the GPUs of each pod have been measured, and when each last worked, for idle workloads. In memory only, so a new leader begins
/// again. Thread-safe.
/// </summary>
/// <param name="nodeOf">Returns the node of a pod by its UID; null for an unknown pod.</param>
internal sealed class GpuActivity(Func<string, string?> nodeOf)
{
    /// <summary>A longer time without a measurement is a gap, in which the GPU may have worked.</summary>
    private static readonly TimeSpan LongestGap = TimeSpan.FromMinutes(2);

    /// <summary>Older measurements do not show the present. An agent closes an interval each minute.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Dictionary<(string Device, string Container), Measured>> _pods = new(StringComparer.Ordinal);

    /// <summary>Records the measurements of one node. Intervals of pods that are not bound to it are ignored.</summary>
    public void Record(string node, IReadOnlyList<UsageInterval> intervals)
    {
        lock (_gate)
            foreach (var interval in intervals)
                if (interval.PodUid is { Length: > 0 } uid && interval.To > interval.From && nodeOf(uid) == node)
                {
                    if (!_pods.TryGetValue(uid, out var devices))
                        _pods.Add(uid, devices = []);
                    Record(devices, interval);
                }
    }

    /// <summary>
    /// Returns since when all GPUs of a pod have been measured without a gap and worked less than a percentage of each interval. Null: fewer
    /// GPUs are measured than the pod holds, or the latest measurement of one is old.
    /// </summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="gpus">The GPUs that it holds. Several parts of one GPU are measured as one.</param>
    /// <param name="belowPercent">The percentage.</param>
    /// <param name="now">The present time.</param>
    public DateTimeOffset? QuietSince(string podUid, int gpus, int belowPercent, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (!_pods.TryGetValue(podUid, out var devices))
                return null;
            var requested = devices.Where(device => device.Value.IsRequested).ToArray();
            if (
                requested.Length == 0
                || requested.Any(device => now - device.Value.To > Fresh)
                || requested.All(device => device.Value.IsWhole) && requested.DistinctBy(device => device.Key.Device).Count() < gpus
            )
                return null;
            // A device that the pod uses without having requested it shows that the pod works, but not that it is idle.
            return devices
                .Values.Where(device => device.IsRequested || device.QuietSince(belowPercent) > device.From)
                .Max(device => device.QuietSince(belowPercent));
        }
    }

    public void Forget(string podUid)
    {
        lock (_gate)
            _pods.Remove(podUid);
    }

    private static void Record(Dictionary<(string, string), Measured> devices, UsageInterval interval)
    {
        var key = (interval.Device, interval.Container);
        var isRequested = interval.Reason != UsageInterval.NotRequested;
        if (isRequested && interval.Reason is not null)
        {
            // Its usage is unknown.
            devices.Remove(key);
            return;
        }
        if (!devices.TryGetValue(key, out var known) || interval.From - known.To > LongestGap)
            devices[key] = known = new() { From = interval.From, IsRequested = isRequested };
        if (interval.To <= known.To)
            return;
        known.IsWhole = interval.Share == "1/1";
        known.Add(
            interval.To,
            (int)Math.Min(100, interval.BusyMs * 100 / Math.Max(1, (long)(interval.To - interval.From).TotalMilliseconds))
        );
    }

    private sealed class Measured
    {
        /// <summary>The times at which the device last worked for at least so many percent. Later entries have fewer percent.</summary>
        private readonly List<(int Percent, DateTimeOffset At)> _worked = [];

        public required DateTimeOffset From { get; init; }

        public required bool IsRequested { get; init; }

        public DateTimeOffset To { get; private set; }

        public bool IsWhole { get; set; }

        public void Add(DateTimeOffset to, int percent)
        {
            To = to;
            while (_worked.Count > 0 && _worked[^1].Percent <= percent)
                _worked.RemoveAt(_worked.Count - 1);
            if (percent > 0)
                _worked.Add((percent, to));
        }

        public DateTimeOffset QuietSince(int belowPercent)
        {
            for (var i = _worked.Count - 1; i >= 0; i--)
                if (_worked[i].Percent >= belowPercent)
                    return _worked[i].At;
            return From;
        }
    }
}
