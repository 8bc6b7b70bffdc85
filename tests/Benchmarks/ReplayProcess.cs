using System.Diagnostics;
using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// A production cluster's tasks through the ledger, in the order of their times: starts, ends, daily sums, and all nodes' bills.
/// </summary>
internal static class ReplayProcess
{
    private const string TasksFile = "alibaba-openb-2023-pods.csv";
    private const string NodesFile = "alibaba-openb-2023-gpu-nodes.csv";
    private static readonly DateTimeOffset Start = new(2023, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static bool IsPresent(string traces) =>
        File.Exists(Path.Combine(traces, TasksFile)) && File.Exists(Path.Combine(traces, NodesFile));

    /// <summary>Returns the GPU-hours of the tasks on each day of the trace.</summary>
    public static double[] GpuHoursByDay(string traces)
    {
        var tasks = File.ReadLines(Path.Combine(traces, TasksFile))
            .Skip(1)
            .Select(line => line.Split(','))
            .Where(fields => fields[3] != "0" && fields[10].Length > 0)
            .Select(fields =>
                (
                    From: double.Parse(fields[10], CultureInfo.InvariantCulture) / 3600,
                    To: double.Parse(fields[9], CultureInfo.InvariantCulture) / 3600,
                    Gpus: int.Parse(fields[3], CultureInfo.InvariantCulture) * int.Parse(fields[4], CultureInfo.InvariantCulture) / 1000.0
                )
            )
            .ToArray();
        var days = new double[(int)(tasks.Max(task => task.To) / 24)];
        foreach (var task in tasks)
            for (var day = (int)(task.From / 24); day < days.Length && 24 * day < task.To; day++)
                days[day] += task.Gpus * Math.Max(0, Math.Min(task.To, 24 * (day + 1)) - Math.Max(task.From, 24 * day));
        return days;
    }

    public static int Run(string traces)
    {
        var nodes = File.ReadLines(Path.Combine(traces, NodesFile))
            .Skip(1)
            .Select(line => line.Split(','))
            .Select(f => (Name: f[0], Gpus: int.Parse(f[3]), Product: f[4]))
            .Where(n => n.Gpus > 0)
            .ToArray();
        var tasks = File.ReadLines(Path.Combine(traces, TasksFile)).Skip(1).Select(line => line.Split(',')).ToArray();
        var events = new List<(long At, PodObservation Seen)>();
        for (var i = 0; i < tasks.Length; i++)
        {
            var (name, gpus, scheduled, deleted) = (tasks[i][0], int.Parse(tasks[i][3]), tasks[i][10], tasks[i][9]);
            if (gpus == 0 || scheduled.Length == 0)
                continue;
            var from = long.Parse(scheduled, CultureInfo.InvariantCulture);
            var to = Math.Max(from, long.Parse(deleted, CultureInfo.InvariantCulture));
            var seen = new PodObservation
            {
                Uid = name,
                Pod = name,
                Workload = new($"team-{i % 50}", "Pod", name, name),
                Class = WorkloadClass.Interactive,
                Labels = new Dictionary<string, string>(),
                Node = nodes[i % nodes.Length].Name,
                Gpus = gpus,
                ScheduledAt = Start.AddSeconds(from),
                ObservedAt = Start.AddSeconds(from),
            };
            events.Add((from, seen));
            events.Add((to, seen with { FinishedAt = Start.AddSeconds(to), ObservedAt = Start.AddSeconds(to) }));
        }
        events.Sort((a, b) => a.At.CompareTo(b.At));

        var clock = Stopwatch.StartNew();
        var ledger = new GpuLedger();
        ledger.Install(Start);
        foreach (var product in nodes.Select(n => n.Product).Distinct(StringComparer.Ordinal))
            ledger.Reprice(product, GpuHourPrice.FromDecimal(2.5m), Start);
        foreach (var node in nodes)
            ledger.ObserveNode(node.Name, node.Product, node.Gpus, Start);
        long nextDay = 86_400;
        var days = 0;
        foreach (var (at, seen) in events)
        {
            for (; at >= nextDay; nextDay += 86_400, days++)
            for (var team = 0; team < 50; team++)
                ledger.SpentByWorkload(
                    $"team-{team}",
                    LabelSelector.Everything,
                    Start.AddSeconds(nextDay - 86_400),
                    Start.AddSeconds(nextDay),
                    Start.AddSeconds(nextDay)
                );
            ledger.Observe(seen);
        }
        var end = Start.AddSeconds(events[^1].At);
        Amount reserved = Amount.Zero,
            spent = Amount.Zero;
        foreach (var node in nodes)
            reserved += ledger.Bill(node.Name, Start, end, end).Reserved;
        for (var team = 0; team < 50; team++)
            spent += ledger.Spent($"team-{team}", LabelSelector.Everything, Start, end, end);
        var seconds = clock.Elapsed.TotalSeconds;
        if (reserved != spent)
            throw new InvalidOperationException($"the nodes' bills hold {reserved}, the teams spent {spent}");

        ChildProcess.Tell("tasks", tasks.Length);
        ChildProcess.Tell("gpuTasks", events.Count / 2);
        ChildProcess.Tell("days", days);
        ChildProcess.Tell("seconds", seconds);
        Console.WriteLine("end");
        return 0;
    }
}
