using System.Globalization;

namespace Bursar.Tests.TestKit;

/// <summary>
/// Rows in the shape of public traces (columns, ranges, skew), drawn from a fixed seed: tasks and nodes like those of Alibaba's openb trace
/// of 2023, requests like those of Azure's LLM inference trace of 2023. No row comes from them, so that tests run in any clone.
/// </summary>
public static class SyntheticTraces
{
    private const int LastSecond = 12_900_000;

    private static readonly (int Gpus, string Model, int Count)[] NodeGroups =
    [
        (2, "P100", 500),
        (8, "G2", 600),
        (1, "T4", 24),
        (4, "G3", 60),
    ];

    private const double ChatSeconds = 3502;
    private const double ChatStep = 5;

    /// <summary>
    /// Requests with short and with long answers: how many a minute in each 5 minutes, how far the rate strays from that and for how many
    /// seconds, quantiles of their tokens.
    /// </summary>
    private static readonly (double[] PerMinute, double Deviation, double Correlation, double[] Prompt, double[] Generated)[] Kinds =
    [
        (
            [155, 137, 174, 178, 264, 378, 380, 275, 244, 172, 142, 130],
            0.14,
            50,
            [10, 197, 252, 387, 398, 409, 723, 1315, 2146, 4077, 4100],
            [7, 46, 63, 77, 87, 94, 103, 117, 142, 175, 296]
        ),
        (
            [145, 148, 137, 134, 112, 70, 66, 93, 96, 113, 118, 125],
            0.21,
            8,
            [181, 992, 1017, 1036, 1052, 1070, 1087, 1108, 1134, 1172, 1500],
            [300, 375, 383, 388, 393, 395, 396, 397, 400, 403, 408, 411, 414, 418, 424, 429, 436, 451, 498, 564, 690]
        ),
    ];

    /// <summary>
    /// Tasks: name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec, qos, pod_phase, creation_time, deletion_time, scheduled_time
    /// (empty: never).
    /// </summary>
    public static IReadOnlyList<string[]> Tasks(int count = 4_000)
    {
        var random = new Random(2023);
        // Templates are used by a power law; the tasks of one scatter widely, as those of people who try things do.
        var templates = Enumerable
            .Range(0, 120)
            .Select(_ => new
            {
                Cpu = 1_000 * random.Next(1, 33),
                Memory = 1_024 * random.Next(2, 129),
                Gpus = random.NextDouble() switch
                {
                    < 0.13 => 0,
                    < 0.97 => 1,
                    < 0.98 => 2,
                    < 0.985 => 4,
                    _ => 8,
                },
                Milli = random.Next(5) == 0 ? 1_000 : 10 * random.Next(10, 100),
                Qos = random.Next(2) == 0 ? "LS" : "BE",
                Median = Math.Exp(Normal(random, Math.Log(2_200), 0.9)),
                Spread = 0.3 + random.NextDouble() * 1.4,
            })
            .ToArray();
        var rows = new List<string[]>(count);
        for (var i = 0; i < count; i++)
        {
            var template = templates[(int)(templates.Length * Math.Pow(random.NextDouble(), 2.2))];
            var created = random.NextInt64(LastSecond - 10_000);
            var seconds = (long)Math.Clamp(Math.Exp(Normal(random, Math.Log(template.Median), template.Spread)), 1, 900_000);
            var scheduled = random.Next(9) == 0 ? (long?)null : created + (random.Next(3) == 0 ? random.Next(3_600) : 0);
            var phase = scheduled is null
                ? "Pending"
                : random.NextDouble() switch
                {
                    < 0.70 => "Running",
                    < 0.95 => "Failed",
                    _ => "Succeeded",
                };
            rows.Add([
                string.Create(CultureInfo.InvariantCulture, $"task-{i:0000}"),
                Text(template.Cpu),
                Text(template.Memory),
                Text(template.Gpus),
                Text(
                    template.Gpus == 0 ? 0
                    : template.Gpus > 1 ? 1_000
                    : template.Milli
                ),
                "",
                template.Qos,
                phase,
                Text(created),
                Text(Math.Min((scheduled ?? created) + seconds, LastSecond)),
                scheduled is { } at ? Text(at) : "",
            ]);
        }
        return rows;
    }

    /// <summary>Nodes: name, GPUs.</summary>
    public static IReadOnlyList<(string Name, int Gpus)> Nodes() =>
        [
            .. NodeGroups
                .SelectMany(kind => Enumerable.Repeat(kind.Gpus, kind.Count))
                .Select((gpus, i) => (string.Create(CultureInfo.InvariantCulture, $"node-{i:0000}"), gpus)),
        ];

    /// <summary>
    /// An hour of requests: time, prompt tokens, generated tokens. About 19,000, of two kinds whose mix changes: short answers triple in
    /// the middle of the hour, long ones halve, so that the tokens generated a minute stay within 45,000 to 95,000. Fitted to Azure's LLM
    /// inference trace of 2023 (conversations; Azure/AzurePublicDataset, CC-BY 4.0; Patel et al., Splitwise, ISCA 2024): the rate of each
    /// kind by 5 minutes, its variance over 5, 15 and 60 seconds beside that mean, and the quantiles of its tokens.
    /// </summary>
    public static IReadOnlyList<(DateTimeOffset At, int Prompt, int Generated)> Chat(int seed = 1116)
    {
        var random = new Random(seed);
        var start = new DateTimeOffset(2023, 11, 16, 18, 15, 46, TimeSpan.Zero);
        var requests = new List<(DateTimeOffset At, int Prompt, int Generated)>();
        foreach (var kind in Kinds)
        {
            // A Poisson process whose rate is the mean times a log-normal factor that wanders back to one.
            var (keeps, factor) = (Math.Exp(-ChatStep / kind.Correlation), Normal(random, 0, kind.Deviation));
            for (var second = 0d; second < ChatSeconds; second += ChatStep)
            {
                factor = keeps * factor + Normal(random, 0, kind.Deviation * Math.Sqrt(1 - keeps * keeps));
                var beginning = Math.Min(1, (second + 15) / 60);
                var rate =
                    beginning
                    * Interpolate(kind.PerMinute, second / 300 - 0.5)
                    / 60
                    * Math.Exp(factor - kind.Deviation * kind.Deviation / 2);
                for (var at = Gap(rate); at < ChatStep && second + at < ChatSeconds; at += Gap(rate))
                    requests.Add((start.AddSeconds(second + at), Quantile(kind.Prompt), Quantile(kind.Generated)));
            }
        }
        return [.. requests.OrderBy(request => request.At)];

        double Gap(double rate) => -Math.Log(1 - random.NextDouble()) / rate;

        int Quantile(double[] values) => (int)Interpolate(values, random.NextDouble() * (values.Length - 1));
    }

    private static double Interpolate(double[] values, double at)
    {
        var below = Math.Clamp((int)Math.Floor(at), 0, values.Length - 2);
        return values[below] + (values[below + 1] - values[below]) * Math.Clamp(at - below, 0, 1);
    }

    /// <summary>Box and Muller's transform.</summary>
    private static double Normal(Random random, double mean, double deviation) =>
        mean + deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
