using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Core.Usage;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// Fifty thousand pods of ten days in the ledger, recorded as the operator records them: starts, ends, and each node's journal minute by
/// minute. The ledger is written hourly as JSON and read back at the end.
/// </summary>
internal static class LedgerProcess
{
    private const int Pods = 50_000,
        Nodes = 250,
        Teams = 50,
        Days = 10;
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private sealed record Pod(string Uid, string Team, string Job, string Node, string Device, DateTimeOffset From, DateTimeOffset To);

    public static int Run()
    {
        var pods = Draw();
        var events = pods.Select(pod => (At: pod.From, Pod: pod, End: false))
            .Concat(pods.Select(pod => (At: pod.To, Pod: pod, End: true)))
            .OrderBy(one => one.At)
            .ToArray();
        var running = new Dictionary<string, List<Pod>>(StringComparer.Ordinal);
        var journals = Enumerable.Range(0, Nodes).ToDictionary(NodeName, _ => 0L, StringComparer.Ordinal);
        var intervals = 0L;

        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Reprice("NVIDIA-H100-80GB-HBM3", GpuHourPrice.FromDecimal(6.88m), Start);
        for (var node = 0; node < Nodes; node++)
            ledger.ObserveNode(NodeName(node), "NVIDIA-H100-80GB-HBM3", 8, Start);
        var stored = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        var (telling, measuring, writing) = (new Stopwatch(), new Stopwatch(), new Stopwatch());
        var next = 0;
        for (var hour = 1; hour <= Days * 24 + 2; hour++)
        {
            var (begin, end) = (Start.AddHours(hour - 1), Start.AddHours(hour));
            var ended = new List<Pod>();
            telling.Start();
            for (; next < events.Length && events[next].At < end; next++)
            {
                var (_, pod, isEnd) = events[next];
                ledger.Observe(Observation(pod, isEnd));
                if (isEnd)
                    ended.Add(pod);
                else if (running.TryGetValue(pod.Node, out var list))
                    list.Add(pod);
                else
                    running.Add(pod.Node, [pod]);
            }
            telling.Stop();
            foreach (var (node, list) in running)
            {
                var report = Measured(node, list, begin, end, journals[node]);
                intervals += report.Intervals.Count;
                journals[node] = report.Next - 1;
                measuring.Start();
                ledger.Record(report, null);
                measuring.Stop();
            }
            foreach (var pod in ended)
                running[pod.Node].Remove(pod);
            writing.Start();
            foreach (var shard in ledger.DirtyShards())
            {
                if (shard.IsEmpty)
                    stored.Remove(shard.Name);
                else
                    stored[shard.Name] = JsonSerializer.SerializeToUtf8Bytes(shard, LedgerJson.Default.LedgerShard);
                ledger.MarkWritten(shard.Name, shard.Revision);
            }
            writing.Stop();
        }

        var until = Start.AddDays(Days + 1);
        var summing = Stopwatch.StartNew();
        var spent = Spent(ledger, until);
        var bills = Enumerable
            .Range(0, Nodes)
            .Aggregate(Amount.Zero, (sum, node) => sum + ledger.Bill(NodeName(node), Start, until, until).Reserved);
        summing.Stop();
        if (
            bills != spent
            || spent != pods.Aggregate(Amount.Zero, (sum, pod) => sum + HourlyCost.FromDecimal(6.88m).For(pod.To - pod.From))
        )
            throw new InvalidOperationException($"the pods spent {spent}, the nodes' bills hold {bills}");

        var used = Enumerable
            .Range(0, Teams)
            .Sum(team =>
                ledger.SpentByWorkload(TeamName(team), LabelSelector.Everything, Start, until, until).Sum(one => one.Usage.MeasuredMs)
            );
        if (used != pods.Sum(pod => (long)(pod.To - pod.From).TotalMilliseconds))
            throw new InvalidOperationException($"{used} ms were counted as measured, and others were");

        var heap = OwnProcess.Heap();
        var loading = Stopwatch.StartNew();
        var loaded = GpuLedger.Load(stored.Values.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!));
        loading.Stop();
        var held = OwnProcess.Heap() - heap;
        if (Spent(loaded, until) != spent)
            throw new InvalidOperationException("the ledger that was read is not the one that was written");
        GC.KeepAlive(ledger);

        ChildProcess.Tell("pods", Pods);
        ChildProcess.Tell("intervals", intervals);
        ChildProcess.Tell("seconds", (telling.Elapsed + measuring.Elapsed + summing.Elapsed).TotalSeconds);
        ChildProcess.Tell("telling", telling.Elapsed.TotalSeconds);
        ChildProcess.Tell("measuring", measuring.Elapsed.TotalSeconds);
        ChildProcess.Tell("summing", summing.Elapsed.TotalSeconds);
        ChildProcess.Tell("writing", writing.Elapsed.TotalSeconds);
        ChildProcess.Tell("loading", loading.Elapsed.TotalSeconds);
        ChildProcess.Tell("shards", stored.Count);
        ChildProcess.Tell("bytes", stored.Values.Sum(json => (long)json.Length));
        ChildProcess.Tell("largest", stored.Values.Max(json => json.Length));
        ChildProcess.Tell("heap", held);
        Console.WriteLine("end");
        return 0;
    }

    private static Amount Spent(GpuLedger ledger, DateTimeOffset until) =>
        Enumerable
            .Range(0, Teams)
            .Aggregate(Amount.Zero, (sum, team) =>
                ledger
                    .SpentByWorkload(TeamName(team), LabelSelector.Everything, Start, until, until)
                    .Aggregate(sum, (s, one) => s + one.Spent)
            );

    private static string NodeName(int node) => string.Create(CultureInfo.InvariantCulture, $"gpu-node-{node:000}");

    private static string TeamName(int team) => string.Create(CultureInfo.InvariantCulture, $"team-{team:00}");

    /// <summary>Each node's eight GPUs in turn, a pod on each for some minutes to an hour.</summary>
    private static Pod[] Draw()
    {
        var random = new Random(50_000);
        var free = new PriorityQueue<(int Node, int Device), DateTimeOffset>();
        for (var slot = 0; slot < Nodes * 8; slot++)
            free.Enqueue((slot / 8, slot % 8), Start);
        var pods = new Pod[Pods];
        for (var i = 0; i < Pods; i++)
        {
            var from = Start.AddSeconds((long)i * Days * 86_400 / Pods);
            var (node, device) = free.Dequeue();
            var to = from.AddSeconds(random.Next(120, 3_600));
            free.Enqueue((node, device), to);
            var id = new byte[16];
            random.NextBytes(id);
            pods[i] = new(
                new Guid(id).ToString(),
                TeamName(i % Teams),
                string.Create(CultureInfo.InvariantCulture, $"train-{i / 10:00000}"),
                NodeName(node),
                $"GPU-{device}",
                from,
                to
            );
        }
        return pods;
    }

    private static PodObservation Observation(Pod pod, bool end) =>
        new()
        {
            Uid = pod.Uid,
            Pod = $"{pod.Job}-{pod.Uid[..5]}",
            Workload = new(pod.Team, "Job", pod.Job, pod.Job),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string> { ["app"] = pod.Job, ["team"] = pod.Team },
            Node = pod.Node,
            Gpus = 1,
            ScheduledAt = pod.From,
            FinishedAt = end ? pod.To : null,
            IsGone = end,
            ObservedAt = end ? pod.To : pod.From,
        };

    /// <summary>A node's journal of an hour: each pod's minutes.</summary>
    private static UsageReport Measured(string node, List<Pod> pods, DateTimeOffset begin, DateTimeOffset end, long last)
    {
        var intervals = new List<UsageInterval>();
        foreach (var pod in pods)
        {
            var to = pod.To < end ? pod.To : end;
            for (var from = pod.From > begin ? pod.From : begin; from < to; from += TimeSpan.FromMinutes(1))
            {
                var close = from + TimeSpan.FromMinutes(1) < to ? from + TimeSpan.FromMinutes(1) : to;
                intervals.Add(
                    new()
                    {
                        Seq = last + intervals.Count + 1,
                        PodUid = pod.Uid,
                        Namespace = pod.Team,
                        Pod = pod.Job,
                        Device = pod.Device,
                        From = from,
                        To = close,
                        BusyMs = (long)(close - from).TotalMilliseconds * 3 / 4,
                        EnergyMj = (long)(close - from).TotalMilliseconds * 400,
                    }
                );
            }
        }
        return new()
        {
            Node = node,
            Epoch = "e",
            First = last + 1,
            Next = last + intervals.Count + 1,
            Intervals = intervals,
        };
    }
}
