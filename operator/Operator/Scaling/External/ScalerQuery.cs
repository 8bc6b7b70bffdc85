using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Core.Text;

namespace Bursar.Operator.Scaling.External;

/// <summary>What an <c>external</c> trigger's metadata asks for: the decision of an InferenceScaler, or one of Bursar's triggers.</summary>
internal abstract record ScalerQuery
{
    /// <summary>The triggers that KEDA has not itself.</summary>
    public static readonly IReadOnlyList<string> Triggers = ["tokens", "queue", "kv-cache", "gpu-utilization", "latency"];

    private const string Scaler = "inferenceScaler";
    private const string Trigger = "trigger";
    private const string CostCap = "costCapPerHour";

    /// <summary>KEDA's own keys, which say how it reaches this door.</summary>
    private static readonly FrozenSet<string> Kedas = FrozenSet.Create(
        StringComparer.Ordinal,
        "scalerAddress",
        "enableTLS",
        "unsafeSsl",
        "caCert",
        "tlsCertFile",
        "tlsClientCert",
        "tlsClientKey"
    );

    private ScalerQuery() { }

    /// <summary>
    /// <c>inferenceScaler: chat</c>: how many replicas the InferenceScaler of that name, in the ScaledObject's namespace, decides on.
    /// </summary>
    public sealed record OfScaler(string Name) : ScalerQuery;

    /// <summary><c>trigger: queue</c> with that trigger's keys.</summary>
    /// <param name="Terms">The trigger as an InferenceScaler would have it; its name is its type's.</param>
    /// <param name="CostCapPerHour">The most that the target may cost an hour; null for no such cap.</param>
    public sealed record OfTrigger(TriggerTerms Terms, HourlyCost? CostCapPerHour) : ScalerQuery
    {
        /// <summary>As it is written: one of <see cref="Triggers"/>.</summary>
        public string Type => Terms.Name;

        /// <summary>The trigger's own keys.</summary>
        public IReadOnlyDictionary<string, string> Keys => Terms.Metadata;
    }

    /// <param name="metadata">A trigger's metadata, with KEDA's own keys in it.</param>
    /// <param name="ask">What it asks for.</param>
    /// <param name="error">What is wrong with it, naming the key.</param>
    public static bool TryRead(
        IReadOnlyDictionary<string, string> metadata,
        [NotNullWhen(true)] out ScalerQuery? ask,
        [NotNullWhen(false)] out string? error
    )
    {
        (ask, error) = (null, null);
        var named = metadata.TryGetValue(Scaler, out var scaler);
        if (named == metadata.TryGetValue(Trigger, out var type))
        {
            error = named ? $"{Scaler} and {Trigger} exclude each other" : $"{Scaler} or {Trigger} is missing";
            return false;
        }
        var own = metadata
            .Where(pair => !Kedas.Contains(pair.Key) && pair.Key is not (Scaler or Trigger or CostCap))
            .ToDictionary(StringComparer.Ordinal);
        if (named)
        {
            // The least of them, so that the same metadata gives the same sentence each time.
            if (own.Keys.Concat(metadata.ContainsKey(CostCap) ? [CostCap] : []).Min(StringComparer.Ordinal) is { } stranger)
                error = $"{InferenceScalerReader.Shorten(stranger)}: beside {Scaler} it means nothing";
            else if (!IsName(scaler!))
                error = $"{Scaler}: \"{InferenceScalerReader.Shorten(scaler!)}\" is not an object name";
            else
                ask = new OfScaler(scaler!);
            return error is null;
        }
        if (!Triggers.Contains(type!))
        {
            error = $"{Trigger}: \"{InferenceScalerReader.Shorten(type!)}\" is none of {string.Join(", ", Triggers)}";
            return false;
        }
        HourlyCost? cap = null;
        if (metadata.TryGetValue(CostCap, out var amount))
        {
            if (!HourlyCost.TryParse(amount, out var rate) || rate == HourlyCost.Zero)
            {
                error = $"{CostCap}: \"{InferenceScalerReader.Shorten(amount)}\" is not an amount above zero, such as 24 or 7.50";
                return false;
            }
            cap = rate;
        }
        var errors = new List<FieldError>();
        var terms = TriggerReader.Read(
            new()
            {
                Type = type,
                Name = type,
                Metadata = own,
            },
            0,
            "trigger",
            errors
        );
        if (terms is null)
        {
            // It writes of trigger.metadata.waiting; here that is metadata.waiting.
            error = $"{errors[0].Path["trigger.".Length..]}: {errors[0].Message}";
            return false;
        }
        ask = new OfTrigger(terms, cap);
        return true;
    }

    /// <summary>Of an object: a DNS subdomain.</summary>
    private static bool IsName(string text) =>
        text.Length is > 0 and <= 253
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.')
        && char.IsAsciiLetterOrDigit(text[0])
        && char.IsAsciiLetterOrDigit(text[^1]);
}
