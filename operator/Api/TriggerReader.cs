using System.Globalization;
using Bursar.Core.Scaling;
using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>
/// Reads one trigger. Keys that its type does not have are errors, so that a misspelt key is not silently ignored.
/// </summary>
public static class TriggerReader
{
    public const string Generated = "generatedPerSecond";
    public const string Prompt = "promptPerSecond";
    public const string Metric = "metric";
    public const string Percentile = "percentile";
    public const string Source = "source";
    public const string Query = "query";
    public const string IgnoreNullValues = "ignoreNullValues";
    public const string AcceptPartialAnswer = "acceptPartialAnswer";
    public const string TimeZone = "timezone";
    public const string Start = "start";
    public const string End = "end";
    public const string DesiredReplicas = "desiredReplicas";

    private const string ActivationKey = "activation";

    /// <summary>The values of <see cref="Metric"/> for a latency trigger.</summary>
    public static IReadOnlyList<string> Latencies { get; } = ["firstToken", "betweenTokens", "endToEnd"];

    public static TriggerTerms? Read(InferenceScalerTrigger trigger, int index, string path, List<FieldError> errors)
    {
        var metadata = trigger.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal);
        var before = errors.Count;
        TriggerType? type = trigger.Type switch
        {
            "tokens" => TriggerType.Tokens,
            "queue" => TriggerType.Queue,
            "kv-cache" => TriggerType.KvCache,
            "gpu-utilization" => TriggerType.GpuUtilization,
            "latency" => TriggerType.Latency,
            "prometheus" => TriggerType.Prometheus,
            "cron" => TriggerType.Cron,
            _ => null,
        };
        if (type is not { } known)
        {
            errors.Add(
                new(
                    $"{path}.type",
                    $"\"{InferenceScalerReader.Shorten(trigger.Type ?? "")}\" is none of tokens, queue, kv-cache, gpu-utilization, latency, prometheus, cron"
                )
            );
            return null;
        }
        var at = $"{path}.metadata";
        var metricType = known == TriggerType.Latency ? TriggerMetricType.Value : TriggerMetricType.AverageValue;
        if (known == TriggerType.Prometheus)
            metricType = InferenceScalerReader.ReadMetricType(trigger.MetricType, metricType, $"{path}.metricType", errors);
        else if (trigger.MetricType is not null)
            errors.Add(new($"{path}.metricType", "is for triggers of type prometheus alone"));
        string[] keys = known switch
        {
            TriggerType.Tokens => [Generated, Prompt, ActivationKey],
            TriggerType.Queue => ["waiting", ActivationKey],
            TriggerType.KvCache or TriggerType.GpuUtilization => ["percent", ActivationKey],
            TriggerType.Latency => [Metric, Percentile, "seconds", ActivationKey],
            TriggerType.Prometheus => [Source, Query, "threshold", "activationThreshold", IgnoreNullValues, AcceptPartialAnswer],
            _ => [TimeZone, Start, End, DesiredReplicas],
        };
        foreach (var key in metadata.Keys.Where(key => !keys.Contains(key)).Order(StringComparer.Ordinal))
            errors.Add(
                new(
                    at,
                    $"a trigger of type {trigger.Type} has no \"{InferenceScalerReader.Shorten(key)}\": it has {string.Join(", ", keys)}"
                )
            );

        string? Get(string key) => metadata.GetValueOrDefault(key);
        var (target, activation) = (1d, 0d);
        switch (known)
        {
            case TriggerType.Tokens:
                if (Get(Generated) is null == Get(Prompt) is null)
                    errors.Add(new(at, $"needs one of {Generated} and {Prompt}"));
                target = Number(
                    Get(Generated) ?? Get(Prompt),
                    $"{at}.{(Get(Generated) is null ? Prompt : Generated)}",
                    errors,
                    positive: true
                );
                break;
            case TriggerType.Queue:
                target = Number(Get("waiting"), $"{at}.waiting", errors, positive: true);
                break;
            case TriggerType.KvCache or TriggerType.GpuUtilization:
                target = Number(Get("percent"), $"{at}.percent", errors, positive: true);
                if (target > 100)
                    errors.Add(new($"{at}.percent", "is above 100"));
                break;
            case TriggerType.Latency:
                target = Number(Get("seconds"), $"{at}.seconds", errors, positive: true);
                if (Get(Metric) is not { } metric || !Latencies.Contains(metric))
                    errors.Add(new($"{at}.{Metric}", $"is none of {string.Join(", ", Latencies)}"));
                if (Get(Percentile) is { } percentile && Number(percentile, $"{at}.{Percentile}", errors, positive: true) >= 100)
                    errors.Add(new($"{at}.{Percentile}", "is not below 100"));
                break;
            case TriggerType.Prometheus:
                if (Get(Query) is not { Length: > 0 })
                    errors.Add(new($"{at}.{Query}", "is required"));
                target = Number(Get("threshold"), $"{at}.threshold", errors, positive: true);
                if (Get("activationThreshold") is { } above)
                    activation = Number(above, $"{at}.activationThreshold", errors, positive: false);
                foreach (var key in (string[])[IgnoreNullValues, AcceptPartialAnswer])
                    if (Get(key) is { } flag && flag is not ("true" or "false"))
                        errors.Add(new($"{at}.{key}", "is neither true nor false"));
                break;
            case TriggerType.Cron:
                if (CronWindow.TryParse(Get(Start) ?? "", Get(End) ?? "", Get(TimeZone) ?? "", out var wrong) is null)
                    errors.Add(new(at, wrong));
                if (
                    Number(Get(DesiredReplicas), $"{at}.{DesiredReplicas}", errors, positive: true) is var replicas
                    && (replicas != Math.Floor(replicas) || replicas > 10000)
                )
                    errors.Add(new($"{at}.{DesiredReplicas}", "is not a whole number up to 10000"));
                break;
        }
        if (Get(ActivationKey) is { } active && known != TriggerType.Prometheus && known != TriggerType.Cron)
            activation = Number(active, $"{at}.{ActivationKey}", errors, positive: false);
        return errors.Count > before
            ? null
            : new()
            {
                Name = trigger.Name ?? string.Create(CultureInfo.InvariantCulture, $"s{index}-{trigger.Type}"),
                Type = known,
                Target = target,
                Activation = activation,
                MetricType = metricType,
                Metadata = metadata,
            };
    }

    /// <summary>
    /// Reads a non-negative decimal such as <c>5</c>, <c>0.5</c> or <c>.5</c>. On other text it adds an error and returns 1.
    /// </summary>
    internal static double Number(string? text, string path, List<FieldError> errors, bool positive)
    {
        if (
            text is { Length: <= 22 }
            && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            && value is >= 0 and < 1e12
            && (!positive || value > 0)
        )
            return value;
        errors.Add(
            new(
                path,
                text is null ? "is required" : $"\"{InferenceScalerReader.Shorten(text)}\" is not a number{(positive ? " above 0" : "")}"
            )
        );
        return 1;
    }
}
