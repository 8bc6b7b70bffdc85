using System.Globalization;

namespace Bursar.Tests.TestKit;

/// <summary>
/// Rows in the shape of public traces (columns, ranges, skew), drawn from a fixed seed: tasks and nodes like those of Alibaba's openb trace of
/// 2023, requests like those of Azure's LLM inference trace of 2023. No row comes from them, so that tests run in any clone.
/// </summary>
public static class SyntheticTraces
{
    private const int LastSecond = 12_900_000;

    private static readonly (int Gpus, string Model, int Count)[] s_nodes = [(2, "P100", 500), (8, "G2", 600), (1, "T4", 24), (4, "G3", 60)];

    /// <summary>Tasks: name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec, qos, pod_phase, creation_time, deletion_time, scheduled_time (empty: never).</summary>
    public static IReadOnlyList<string[]> Tasks(int count = 4_000)
    {
        var random = new Random(2023);
        // Templates are used by a power law; the tasks of one scatter widely, as those of people who try things do.
        var templates = Enumerable.Range(0, 120).Select(_ => new
        {
            Cpu = 1_000 * random.Next(1, 33),
            Memory = 1_024 * random.Next(2, 129),
            Gpus = random.NextDouble() switch { < 0.13 => 0, < 0.97 => 1, < 0.98 => 2, < 0.985 => 4, _ => 8 },
            Milli = random.Next(5) == 0 ? 1_000 : 10 * random.Next(10, 100),
            Qos = random.Next(2) == 0 ? "LS" : "BE",
            Median = Math.Exp(Normal(random, Math.Log(2_200), 0.9)),
            Spread = 0.3 + random.NextDouble() * 1.4,
        }).ToArray();
        var rows = new List<string[]>(count);
        for (var i = 0; i < count; i++)
        {
            var template = templates[(int)(templates.Length * Math.Pow(random.NextDouble(), 2.2))];
            var created = random.NextInt64(LastSecond - 10_000);
            var seconds = (long)Math.Clamp(Math.Exp(Normal(random, Math.Log(template.Median), template.Spread)), 1, 900_000);
            var scheduled = random.Next(9) == 0 ? (long?)null : created + (random.Next(3) == 0 ? random.Next(3_600) : 0);
            var phase = scheduled is null ? "Pending" : random.NextDouble() switch { < 0.70 => "Running", < 0.95 => "Failed", _ => "Succeeded" };
            rows.Add([string.Create(CultureInfo.InvariantCulture, $"task-{i:0000}"), Text(template.Cpu), Text(template.Memory), Text(template.Gpus),
                Text(template.Gpus == 0 ? 0 : template.Gpus > 1 ? 1_000 : template.Milli), "", template.Qos, phase, Text(created), Text(Math.Min((scheduled ?? created) + seconds, LastSecond)), scheduled is { } at ? Text(at) : ""]);
        }
        return rows;
    }

    /// <summary>Nodes: name, GPUs.</summary>
    public static IReadOnlyList<(string Name, int Gpus)> Nodes() =>
        [.. s_nodes.SelectMany(kind => Enumerable.Repeat(kind.Gpus, kind.Count)).Select((gpus, i) => (string.Create(CultureInfo.InvariantCulture, $"node-{i:0000}"), gpus))];

    /// <summary>
    /// An hour of requests: time, prompt tokens, generated tokens. About 19,000; the busiest minute has twice as many as the quietest, and
    /// answers are either short or about 400 tokens.
    /// </summary>
    public static IReadOnlyList<(DateTimeOffset At, int Prompt, int Generated)> Chat()
    {
        var random = new Random(1116);
        var start = new DateTimeOffset(2023, 11, 16, 18, 15, 0, TimeSpan.Zero);
        var requests = new List<(DateTimeOffset At, int Prompt, int Generated)>();
        for (var minute = 0; minute < 60; minute++)
        {
            var count = (int)((258 + 170 * Math.Exp(-Math.Pow((minute - 31) / 9.0, 2)) + 50 * Math.Exp(-Math.Pow((minute - 6) / 5.0, 2))) * (0.9 + 0.2 * random.NextDouble()));
            for (var i = 0; i < count; i++)
                requests.Add((
                    start.AddMinutes(minute).AddMilliseconds(random.Next(60_000)),
                    (int)Math.Clamp(Math.Exp(random.Next(20) switch { < 11 => Normal(random, 6.95, 0.25), < 16 => Normal(random, 5.6, 0.5), _ => Normal(random, 7.8, 0.3) }), 1, 14_000),
                    (int)Math.Clamp(random.Next(100) < 62 ? Math.Exp(Normal(random, 4.6, 0.45)) : Normal(random, 395, 55), 1, 1_000)));
        }
        return [.. requests.OrderBy(request => request.At)];
    }

    /// <summary>Box and Muller's transform.</summary>
    private static double Normal(Random random, double mean, double deviation) =>
        mean + deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
