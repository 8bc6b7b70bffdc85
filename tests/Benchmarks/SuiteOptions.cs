namespace Bursar.Tests.Benchmarks;

/// <summary>The extent of the measurements. The defaults are the design's.</summary>
internal sealed record SuiteOptions(int Pods, int RealPods, int IdleSeconds, string Traces, string? Only)
{
    public static readonly string[] Parts =
    [
        "sandbox",
        "kube-apiserver",
        "agent",
        "exposition",
        "scrape",
        "scalers",
        "decisions",
        "ledger",
        "sweeps",
        "forecast",
        "scaling",
    ];

    public bool Asks(string part) => Only is null || Only == part;

    /// <summary><c>--pods 10000 --real-pods 3000 --idle 30 --traces FOLDER --only PART</c>; a count of 0 leaves the part out.</summary>
    public static SuiteOptions Parse(string[] args)
    {
        var options = new SuiteOptions(10_000, 3_000, 30, Path.GetFullPath("../shared/traces"), null);
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value");
            options = args[i] switch
            {
                "--pods" => options with { Pods = int.Parse(value) },
                "--real-pods" => options with { RealPods = int.Parse(value) },
                "--idle" => options with { IdleSeconds = int.Parse(value) },
                "--traces" => options with { Traces = value },
                "--only" => options with
                {
                    Only = Parts.Contains(value)
                        ? value
                        : throw new ArgumentException($"{value} is no part; there are {string.Join(", ", Parts)}"),
                },
                _ => throw new ArgumentException($"{args[i]} is no option; there are --pods, --real-pods, --idle, --traces and --only"),
            };
        }
        // The updates are spread over as many pods as there are updates.
        if (options.Pods is > 0 and < WriterProcess.Updates || options.RealPods is > 0 and < WriterProcess.Updates)
            throw new ArgumentException($"at least {WriterProcess.Updates} pods, or 0 for none");
        return options;
    }
}
