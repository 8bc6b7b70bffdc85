using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Api;
using Bursar.Operator.Commands.Imports;
using Bursar.Operator.Scaling.External;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Bursar.Operator.Commands;

/// <summary>A KEDA object translated to an InferenceScaler.</summary>
/// <param name="Scaler">Null if nothing could be translated.</param>
/// <param name="Remarks">One line per field that does not carry over or has another effect, with the reason.</param>
/// <param name="Failed">Whether a ScaledObject has no supported trigger.</param>
internal sealed record ScalerTranslation(JsonObject? Scaler, IReadOnlyList<string> Remarks, bool Failed);

/// <summary>
/// Translates KEDA's ScaledObject field by field. Names and meanings are the same, except for the listed fields without a counterpart.
/// </summary>
internal sealed partial class GenerateScalerTranslation
{
    /// <summary>Limit of nesting, which only an alias that refers to itself exceeds.</summary>
    private const int Deepest = 16;

    /// <summary>Limit of nodes, which only nested aliases exceed.</summary>
    private const int MostNodes = 1000;

    /// <summary>The kinds that Bursar scales, also listed in <c>docs/start/from-keda.md</c>.</summary>
    private static readonly string[] Targets =
    [
        "Deployment",
        "StatefulSet",
        "LeaderWorkerSet",
        "Rollout",
        "DynamoGraphDeploymentScalingAdapter",
        "InferenceService",
    ];

    /// <summary>Fields of KEDA's prometheus trigger without a counterpart.</summary>
    private static readonly FrozenDictionary<string, string> NotOfPrometheus = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["serverAddress"] =
            "the chart's operator.prometheus names the sources; a trigger has source: <name>, or none where there is one source",
        ["authModes"] = "the source has its credentials in the chart's values",
        ["unsafeSsl"] = "the source has its certificate authority in the chart's values",
        ["customHeaders"] = "a source has no headers of its own",
        ["cortexOrgID"] = "a source has no headers of its own",
        ["queryParameters"] = "Bursar sends no query parameters",
        ["namespace"] = "it belongs in the query",
        ["timeout"] = "a source is waited for as long as Bursar does for each",
        ["metricName"] = "KEDA itself ignores it since 2.10",
    }.ToFrozenDictionary();

    private static readonly string[] OfPrometheus =
    [
        "source",
        "query",
        "threshold",
        "activationThreshold",
        "ignoreNullValues",
        "acceptPartialAnswer",
    ];
    private static readonly string[] OfCron = ["timezone", "start", "end", "desiredReplicas"];

    private readonly List<string> _remarks = [];
    private readonly string _name;
    private int _nodes;

    private GenerateScalerTranslation(string name) => _name = name;

    /// <exception cref="ImportException">The text is no YAML, has no ScaledObject, or a value is invalid.</exception>
    public static IReadOnlyList<ScalerTranslation> All(string text)
    {
        var translations = YamlNodes.Documents(text).SelectMany(Items).Select(One).ToList();
        return translations.Any(translation => translation.Failed || translation.Scaler is not null)
            ? translations
            : throw new ImportException("there is no ScaledObject (apiVersion keda.sh/v1alpha1) in it");
    }

    private static IEnumerable<YamlMappingNode> Items(YamlMappingNode document) =>
        document.Text("kind") is "List" or "ScaledObjectList" ? document.List("items").OfType<YamlMappingNode>() : [document];

    private static ScalerTranslation One(YamlMappingNode document)
    {
        var (kind, group) = (document.Text("kind") ?? "object", (document.Text("apiVersion") ?? "").Split('/')[0]);
        var (ns, own) = (document.Map("metadata")?.Text("namespace"), document.Map("metadata")?.Text("name") ?? "(without a name)");
        var name = $"{kind} {(ns is null ? "" : ns + "/")}{own}";
        if (group == "keda.sh" && kind == "ScaledObject")
            return new GenerateScalerTranslation(name).Translate(document);
        var why = kind switch
        {
            "ScaledJob" => "Bursar scales what runs on, and starts no jobs by demand",
            "TriggerAuthentication" or "ClusterTriggerAuthentication" => "credentials belong to the sources in the chart's values",
            _ => "it is not a ScaledObject",
        };
        return new(null, [$"left out: {name}: {why}"], false);
    }

    private ScalerTranslation Translate(YamlMappingNode document)
    {
        var spec = document.Map("spec") ?? throw Wrong("spec", "is missing");
        var made = new JsonObject();
        string[] known =
        [
            "scaleTargetRef",
            "pollingInterval",
            "cooldownPeriod",
            "initialCooldownPeriod",
            "minReplicaCount",
            "maxReplicaCount",
            "idleReplicaCount",
            "fallback",
            "advanced",
            "triggers",
        ];
        foreach (var key in Names(spec).Except(known))
            LeaveOut($"spec.{key}", "InferenceScaler has no such field");

        made["scaleTargetRef"] = Target(spec.Map("scaleTargetRef") ?? throw Wrong("spec.scaleTargetRef", "is missing"));
        foreach (var key in known[1..7])
            if (Whole(spec, "spec", key) is { } number)
                made[key] = number;
        if (Fallback(spec) is { } fallback)
            made["fallback"] = fallback;

        var triggers = new JsonArray();
        var (left, caps) = (new List<string>(), new SortedSet<decimal>());
        var place = 0;
        foreach (var node in spec.List("triggers"))
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"spec.triggers[{place++}]");
            var trigger = node as YamlMappingNode ?? throw Wrong(at, "is not an object");
            if (Trigger(trigger, at, caps) is { } carried)
                triggers.Add((JsonNode)carried);
            else if (trigger.Text("name") is { } gone)
                left.Add(gone);
        }
        if (Advanced(spec, left) is { Count: > 0 } advanced)
            made["advanced"] = advanced;
        made["triggers"] = triggers;
        if (caps.Count > 0)
            made["costCap"] = new JsonObject { ["perHour"] = caps.Min.ToString(CultureInfo.InvariantCulture) };
        if (caps.Count > 1)
            Remark("spec.costCap", "the least of the triggers' caps: an InferenceScaler has one");
        var metadata = Metadata(document.Map("metadata"));
        if (triggers.Count == 0)
        {
            _remarks.Add($"error: {_name}: none of its triggers has an equivalent, so no InferenceScaler is written");
            return new(null, _remarks, true);
        }
        var scaler = new JsonObject
        {
            ["apiVersion"] = $"{ApiGroup.Name}/{ApiGroup.Version}",
            ["kind"] = "InferenceScaler",
            ["metadata"] = metadata,
            ["spec"] = made,
        };
        Check(scaler);
        return new(scaler, _remarks, false);
    }

    /// <summary>Reports values that KEDA accepts and Bursar does not, before the cluster rejects them.</summary>
    private void Check(JsonObject scaler)
    {
        try
        {
            if (scaler.Deserialize(ApiJson.InferenceScaler) is not { } read)
                return;
            foreach (var error in InferenceScalerReader.Read(read, out _))
                Remark(error.Path, $"Bursar refuses this: {error.Message}");
        }
        catch (JsonException error)
        {
            Remark((error.Path ?? "$").TrimStart('$', '.'), "Bursar refuses this: it has another type");
        }
    }

    private JsonObject Metadata(YamlMappingNode? metadata)
    {
        var made = new JsonObject { ["name"] = metadata?.Text("name") ?? throw Wrong("metadata.name", "is missing") };
        if (metadata.Text("namespace") is { } ns)
            made["namespace"] = ns;
        if (metadata.Map("labels") is { Children.Count: > 0 } labels)
            made["labels"] = Texts(labels);
        var annotations = new JsonObject();
        foreach (var (key, value) in Texts(metadata.Map("annotations") ?? new()))
        {
            // A copy of the ScaledObject's annotation would make `kubectl apply` compare with the wrong object.
            if (key == "kubectl.kubernetes.io/last-applied-configuration")
                continue;
            if (key == "scaledobject.keda.sh/transfer-hpa-ownership")
                LeaveOut($"annotation {key}", "Bursar creates no HPA; delete the existing one");
            else if (key.StartsWith("autoscaling.keda.sh/paused", StringComparison.Ordinal))
                LeaveOut(
                    $"annotation {key}",
                    "Bursar has no pause by annotation: the target is scaled as soon as the InferenceScaler is there"
                );
            else if (
                key.StartsWith("autoscaling.keda.sh/", StringComparison.Ordinal)
                || key.StartsWith("scaledobject.keda.sh/", StringComparison.Ordinal)
            )
                LeaveOut($"annotation {key}", "KEDA's annotations mean nothing to Bursar");
            else
                annotations[key] = value!.DeepClone();
        }
        if (annotations.Count > 0)
            made["annotations"] = annotations;
        return made;
    }

    private JsonObject Target(YamlMappingNode target)
    {
        var made = new JsonObject();
        foreach (var key in Names(target))
        {
            if (key is "apiVersion" or "kind" or "name")
                made[key] = target.Text(key);
            else if (key == "envSourceContainerName")
                LeaveOut("spec.scaleTargetRef.envSourceContainerName", "Bursar does not read container environments");
            else
                LeaveOut($"spec.scaleTargetRef.{key}", "InferenceScaler has no such field");
        }
        if (!made.ContainsKey("name"))
            throw Wrong("spec.scaleTargetRef.name", "is missing");
        if (target.Text("kind") is { } kind && !Targets.Contains(kind))
            Remark("spec.scaleTargetRef.kind", $"Bursar scales {string.Join(", ", Targets[..^1])} and {Targets[^1]}, and no {kind}");
        return made;
    }

    private JsonObject? Fallback(YamlMappingNode spec)
    {
        if (spec.Map("fallback") is not { } fallback)
            return null;
        var made = new JsonObject();
        foreach (var key in Names(fallback))
        {
            if (key is "failureThreshold" or "replicas")
                made[key] = Whole(fallback, "spec.fallback", key);
            else if (key == "behavior")
                made[key] = fallback.Text(key);
            else
                LeaveOut($"spec.fallback.{key}", "InferenceScaler has no such field");
        }
        if (made["replicas"]?.GetValue<long>() == 0)
            Remark("spec.fallback.replicas", "with 0, KEDA scales to zero while values are missing; Bursar keeps the last replica");
        return made;
    }

    private JsonObject? Advanced(YamlMappingNode spec, IReadOnlyCollection<string> left)
    {
        if (spec.Map("advanced") is not { } advanced)
            return null;
        var made = new JsonObject();
        foreach (var key in Names(advanced))
        {
            switch (key)
            {
                case "restoreToOriginalReplicaCount":
                    if (advanced.Text(key) == "true")
                        LeaveOut($"spec.advanced.{key}", "a target keeps its replicas when its InferenceScaler is deleted");
                    break;
                case "horizontalPodAutoscalerConfig" when advanced.Map(key) is { } config:
                    foreach (var part in Names(config))
                    {
                        if (part == "behavior")
                            made[key] = new JsonObject { [part] = Behavior(config.At(part)!) };
                        else
                            LeaveOut(
                                $"spec.advanced.{key}.{part}",
                                part == "name" ? "Bursar creates no HPA to name" : "InferenceScaler has no such field"
                            );
                    }
                    break;
                case "scalingModifiers" when advanced.Map(key) is { } modifiers:
                    if (Modifiers(modifiers, left) is { } carried)
                        made[key] = carried;
                    break;
                case "horizontalPodAutoscalerConfig" or "scalingModifiers":
                    break;
                default:
                    LeaveOut($"spec.advanced.{key}", "InferenceScaler has no such field");
                    break;
            }
        }
        return made;
    }

    private JsonNode? Behavior(YamlNode behavior)
    {
        var made = Value(behavior, 0);
        // A quantity is a string, even if it is written as a whole number.
        foreach (var rules in made is JsonObject directions ? directions.Select(direction => direction.Value).OfType<JsonObject>() : [])
            if (rules["tolerance"] is JsonValue tolerance)
                rules["tolerance"] = tolerance.ToString();
        return made;
    }

    private JsonObject? Modifiers(YamlMappingNode modifiers, IReadOnlyCollection<string> left)
    {
        if (
            modifiers.Text("formula") is { } formula
            && Word().Matches(formula).Select(match => match.Value).FirstOrDefault(left.Contains) is { } gone
        )
        {
            LeaveOut("spec.advanced.scalingModifiers", $"its formula uses the trigger {gone}, which has no equivalent");
            return null;
        }
        var made = new JsonObject();
        foreach (var key in Names(modifiers))
        {
            if (key is "formula" or "target" or "activationTarget" or "metricType")
                made[key] = modifiers.Text(key);
            else
                LeaveOut($"spec.advanced.scalingModifiers.{key}", "InferenceScaler has no such field");
        }
        return made.Count > 0 ? made : null;
    }

    private JsonObject? Trigger(YamlMappingNode trigger, string at, SortedSet<decimal> caps)
    {
        var type = trigger.Text("type") ?? throw Wrong($"{at}.type", "is missing");
        var metadata = Texts(trigger.Map("metadata") ?? new())
            .ToDictionary(pair => pair.Key, pair => pair.Value!.GetValue<string>(), StringComparer.Ordinal);
        var made = type switch
        {
            "prometheus" => Prometheus(metadata, at),
            "cron" => Cron(metadata, at),
            "external" or "external-push" => External(metadata, at, type, caps),
            "cpu" or "memory" => Nothing(
                at,
                $"{type} does not describe the load of a model server; the triggers tokens, queue, kv-cache and gpu-utilization measure what it does"
            ),
            _ => Nothing(at, $"Bursar has no trigger {type}; a prometheus trigger can query the same metric"),
        };
        if (made is null)
            return null;
        foreach (var key in Names(trigger))
        {
            switch (key)
            {
                case "type" or "metadata":
                    break;
                case "name" or "metricType" when key == "name" || type == "prometheus":
                    made[key] = trigger.Text(key);
                    break;
                case "metricType":
                    if (trigger.Text(key) != "AverageValue")
                        LeaveOut($"{at}.{key}", "each trigger but prometheus has its own");
                    break;
                case "useCachedMetrics":
                    if (trigger.Text(key) == "true")
                        LeaveOut($"{at}.{key}", "every value is cached and a few seconds old");
                    break;
                case "authenticationRef":
                    LeaveOut($"{at}.{key}", "the sources in the chart's values have their own credentials, and Bursar reads no Secrets");
                    break;
                default:
                    LeaveOut($"{at}.{key}", "InferenceScaler has no such field");
                    break;
            }
        }
        return made;
    }

    private JsonObject? Prometheus(Dictionary<string, string> metadata, string at)
    {
        if (((string[])["query", "threshold"]).FirstOrDefault(key => !metadata.ContainsKey(key)) is { } missing)
            return Nothing(at, $"its metadata has no {missing}");
        foreach (var key in metadata.Keys.Except(OfPrometheus).Order(StringComparer.Ordinal))
            LeaveOut($"{at}.metadata.{key}", NotOfPrometheus.GetValueOrDefault(key) ?? "the trigger prometheus has no such key");
        if (!metadata.ContainsKey("ignoreNullValues"))
            Remark(
                $"{at}.metadata.ignoreNullValues",
                "an empty answer is 0 to KEDA and a missing value to Bursar, unless \"true\" is written here"
            );
        return Carried("prometheus", metadata, OfPrometheus);
    }

    private JsonObject? Cron(Dictionary<string, string> metadata, string at)
    {
        if (OfCron.FirstOrDefault(key => !metadata.ContainsKey(key)) is { } missing)
            return Nothing(at, $"its metadata has no {missing}");
        foreach (var key in metadata.Keys.Except(OfCron).Order(StringComparer.Ordinal))
            LeaveOut($"{at}.metadata.{key}", "the trigger cron has no such key");
        if (!DaysOf(metadata["start"]).SequenceEqual(DaysOf(metadata["end"])))
            Remark(
                $"{at}.metadata",
                "start and end name different days: KEDA is active before each end, Bursar only from a start to the next end"
            );
        return Carried("cron", metadata, OfCron);

        // All fields except seconds, minutes and hours.
        static IEnumerable<string> DaysOf(string schedule) =>
            schedule.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is var fields
                ? fields.Skip(fields.Length > 5 ? 3 : 2)
                : [];
    }

    private JsonObject? External(Dictionary<string, string> metadata, string at, string type, SortedSet<decimal> caps)
    {
        var address = metadata.GetValueOrDefault("scalerAddress", "");
        // host:port, or gRPC's dns:///host:port.
        var host = address[(address.LastIndexOf('/') + 1)..];
        // The chart's names can be overridden, and then the metadata tells whether the Service is Bursar's.
        var service = host.Split('.', ':')[0];
        var isRead = ScalerQuery.TryRead(metadata, out var query, out var error);
        if (service != "bursar-external-scaler" && !(isRead && service.EndsWith("-external-scaler", StringComparison.Ordinal)))
            return Nothing(
                at,
                $"{type} queries {(address.Length == 0 ? "a scaler without an address" : address)}; Bursar queries no external scalers"
            );
        if (query is null)
            return Nothing(at, error!);
        if (query is not ScalerQuery.OfTrigger trigger)
            return Nothing(at, $"it follows the InferenceScaler {((ScalerQuery.OfScaler)query).Name}, which can scale the target itself");
        if (trigger.CostCapPerHour is not null)
            caps.Add(decimal.Parse(metadata["costCapPerHour"], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture));
        return Carried(metadata["trigger"], trigger.Terms.Metadata, trigger.Terms.Metadata.Keys);
    }

    private JsonObject? Nothing(string at, string why)
    {
        LeaveOut(at, why);
        return null;
    }

    private static JsonObject Carried(string type, IReadOnlyDictionary<string, string> metadata, IEnumerable<string> keys) =>
        new()
        {
            ["type"] = type,
            ["metadata"] = new JsonObject(
                keys.Where(metadata.ContainsKey).Select(key => KeyValuePair.Create<string, JsonNode?>(key, metadata[key]))
            ),
        };

    private long? Whole(YamlMappingNode node, string at, string key) =>
        node.At(key) switch
        {
            null => null,
            YamlScalarNode scalar when IsNull(scalar) => null,
            YamlScalarNode scalar
                when long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
            YamlScalarNode scalar => throw Wrong($"{at}.{key}", $"\"{scalar.Value}\" is not a whole number"),
            _ => throw Wrong($"{at}.{key}", "is not a whole number"),
        };

    /// <summary>Converts a node as an API server does: a quoted number is a string.</summary>
    private JsonNode? Value(YamlNode node, int depth)
    {
        if (depth > Deepest)
            throw Wrong("spec.advanced", "is nested too deeply");
        if (++_nodes > MostNodes)
            throw Wrong("spec.advanced", "is too large");
        return node switch
        {
            YamlMappingNode map => new JsonObject(Names(map).Select(name => KeyValuePair.Create(name, Value(map.At(name)!, depth + 1)))),
            YamlSequenceNode list => new JsonArray([.. list.Select(item => Value(item, depth + 1))]),
            YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any } plain
                when long.TryParse(plain.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
            YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any, Value: "true" or "false" } plain => plain.Value == "true",
            YamlScalarNode scalar => scalar.Value,
            _ => null,
        };
    }

    /// <summary>Returns the string entries. An unquoted number counts too, although KEDA would reject it.</summary>
    private static JsonObject Texts(YamlMappingNode map) =>
        new(
            map.Children.Where(pair =>
                    pair.Key is YamlScalarNode { Value: not null }
                    && pair.Value is YamlScalarNode { Value: not null } scalar
                    && !IsNull(scalar)
                )
                .Select(pair =>
                    KeyValuePair.Create<string, JsonNode?>(((YamlScalarNode)pair.Key).Value!, ((YamlScalarNode)pair.Value).Value)
                )
        );

    private static List<string> Names(YamlMappingNode map) =>
        [
            .. map
                .Children.Where(pair =>
                    pair.Key is YamlScalarNode { Value: not null }
                    && pair.Value is not YamlScalarNode { Value: null }
                    && !(pair.Value is YamlScalarNode scalar && IsNull(scalar))
                )
                .Select(pair => ((YamlScalarNode)pair.Key).Value!),
        ];

    private static bool IsNull(YamlScalarNode scalar) =>
        scalar is { Style: ScalarStyle.Plain or ScalarStyle.Any, Value: null or "" or "~" or "null" };

    private void LeaveOut(string field, string why) => _remarks.Add($"left out: {_name}: {field}: {why}");

    private void Remark(string field, string what) => _remarks.Add($"note: {_name}: {field}: {what}");

    private ImportException Wrong(string field, string what) => new($"{_name}: {field}: {what}");

    [GeneratedRegex("[A-Za-z_][A-Za-z0-9_]*")]
    private static partial Regex Word();
}
