using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Bursar.Core.Money;

namespace Bursar.Operator.Scaling.External;

/// <summary>What an <c>external</c> trigger's metadata asks for: the decision of an InferenceScaler, or one of Bursar's triggers.</summary>
public abstract record ExternalAsk
{
    /// <summary>Bursar's own triggers, and the keys that each takes besides <c>activation</c>.</summary>
    public static readonly FrozenDictionary<string, string[]> Triggers = new Dictionary<string, string[]>(StringComparer.Ordinal)
    {
        ["tokens"] = ["generatedPerSecond", "promptPerSecond"],
        ["queue"] = ["waiting"],
        ["kv-cache"] = ["percent"],
        ["gpu-utilization"] = ["percent"],
        ["latency"] = ["metric", "percentile", "seconds"],
    }.ToFrozenDictionary();

    private const string Scaler = "inferenceScaler";
    private const string Trigger = "trigger";
    private const string Activation = "activation";
    private const string CostCap = "costCapPerHour";

    /// <summary>KEDA's own keys, which say how it reaches this door.</summary>
    private static readonly FrozenSet<string> Kedas = FrozenSet.Create(StringComparer.Ordinal, "scalerAddress", "enableTLS", "unsafeSsl", "caCert", "tlsCertFile", "tlsClientCert", "tlsClientKey");

    private ExternalAsk()
    {
    }

    /// <summary><c>inferenceScaler: chat</c>: how many replicas the InferenceScaler of that name, in the ScaledObject's namespace, decides on.</summary>
    public sealed record OfScaler(string Name) : ExternalAsk;

    /// <summary><c>trigger: queue</c> with that trigger's keys.</summary>
    /// <param name="Type">One of <see cref="Triggers"/>.</param>
    /// <param name="Keys">The trigger's metadata, as it would stand in an InferenceScaler.</param>
    /// <param name="CostCapPerHour">The most that the target may cost an hour; null for no such cap.</param>
    public sealed record OfTrigger(string Type, IReadOnlyDictionary<string, string> Keys, Rate? CostCapPerHour) : ExternalAsk;

    /// <param name="metadata">A trigger's metadata, with KEDA's own keys in it.</param>
    /// <param name="ask">What it asks for.</param>
    /// <param name="error">What is wrong with it, naming the key.</param>
    public static bool TryRead(IReadOnlyDictionary<string, string> metadata, [NotNullWhen(true)] out ExternalAsk? ask, [NotNullWhen(false)] out string? error)
    {
        (ask, error) = (null, null);
        var named = metadata.TryGetValue(Scaler, out var scaler);
        if (named == metadata.TryGetValue(Trigger, out var type))
        {
            error = named ? $"{Scaler} and {Trigger} exclude each other" : $"{Scaler} or {Trigger} is missing";
            return false;
        }
        string[] taken = named ? [Scaler] : [Trigger, Activation, CostCap];
        string[] own = [];
        if (!named && !Triggers.TryGetValue(type!, out own!))
        {
            error = $"{Trigger}: \"{Short(type!)}\" is none of {string.Join(", ", Triggers.Keys.Order(StringComparer.Ordinal))}";
            return false;
        }
        // The least of them, so that the same metadata gives the same sentence each time.
        if (metadata.Keys.Where(key => !Kedas.Contains(key) && !taken.Contains(key) && !own.Contains(key)).Min(StringComparer.Ordinal) is { } stranger)
        {
            error = named ? $"{Short(stranger)}: beside {Scaler} it means nothing" : $"{Short(stranger)}: the trigger {type} has {string.Join(", ", own)}, {Activation} and {CostCap}";
            return false;
        }
        if (named)
        {
            if (!IsName(scaler!)) error = $"{Scaler}: \"{Short(scaler!)}\" is no name of an object";
            else ask = new OfScaler(scaler!);
            return error is null;
        }
        Rate? cap = null;
        if (metadata.TryGetValue(CostCap, out var amount))
        {
            if (!Rate.TryParse(amount, out var rate) || rate == Rate.Zero)
            {
                error = $"{CostCap}: \"{Short(amount)}\" is no amount above zero, such as 24 or 7.50";
                return false;
            }
            cap = rate;
        }
        error = Wrong(type!, own, metadata);
        if (error is not null) return false;
        ask = new OfTrigger(type!, own.Append(Activation).Where(metadata.ContainsKey).ToDictionary(key => key, key => metadata[key], StringComparer.Ordinal), cap);
        return true;
    }

    private static string? Wrong(string type, string[] own, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.TryGetValue(Activation, out var activation) && !(Number(activation) >= 0)) return $"{Activation}: \"{Short(activation)}\" is no number from zero up";
        if (type == "tokens")
        {
            if (own.Count(metadata.ContainsKey) != 1) return $"{own[0]}: the trigger tokens takes either {own[0]} or {own[1]}";
        }
        else if (own.FirstOrDefault(key => !metadata.ContainsKey(key)) is { } missing) return $"{missing}: the trigger {type} needs it";
        foreach (var key in own)
        {
            if (!metadata.TryGetValue(key, out var value)) continue;
            if (key == "metric")
            {
                if (value is not ("firstToken" or "betweenTokens" or "endToEnd")) return $"{key}: \"{Short(value)}\" is none of firstToken, betweenTokens, endToEnd";
                continue;
            }
            if (!(Number(value) > 0)) return $"{key}: \"{Short(value)}\" is no number above zero";
            if (key is "percent" or "percentile" && Number(value) > 100) return $"{key}: \"{Short(value)}\" is more than 100";
        }
        return null;
    }

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;

    /// <summary>Of an object: a DNS subdomain.</summary>
    private static bool IsName(string text) =>
        text.Length is > 0 and <= 253 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.') && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1]);

    private static string Short(string text) => text.Length > 80 ? text[..80] + "…" : text;
}
