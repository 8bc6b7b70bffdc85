using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Values;
using Microsoft.Extensions.Logging;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Serves the kinds of CRDs from their creation to their deletion.</summary>
internal sealed partial class CustomResources(KindRegistry kinds, ObjectWriter writer, TimeProvider time, ILogger log)
{
    public static readonly ResourceKey Crds = new("apiextensions.k8s.io", "customresourcedefinitions");

    public void Written(JsonObject crd)
    {
        if (crd.Text("metadata", "deletionTimestamp") is not null)
        {
            return;
        }

        var name = crd.Text("metadata", "name")!;
        var errors = new List<string>();
        var unsupported = new List<string>();
        var served = CustomKinds.FromCrd(crd, errors, unsupported);
        if (errors.Count > 0)
        {
            return;
        }

        if (!Same(crd, name))
        {
            kinds.Set(name, served);
            _specs[name] = Json.ToText(crd.At("spec"));
            foreach (var rule in unsupported)
            {
                LogUnsupportedRule(log, name, rule);
            }
        }

        if (
            crd.Objects("status", "conditions").Any(c => c.Text("type") == "Established" && c.Text("status") == "True")
            && StoredVersionKnown(crd)
        )
        {
            return;
        }

        var now = Json.Timestamp(time.GetUtcNow());
        writer.Update(
            writer.TypeOf(Crds)!,
            "",
            name,
            "status",
            current =>
            {
                var status = current.Child("status");
                status["conditions"] = new JsonArray(
                    Condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                    Condition("Established", "InitialNamesAccepted", "the initial names have been accepted")
                );
                status["acceptedNames"] = current.At("spec", "names")?.DeepClone();
                var versions = (status.At("storedVersions") as JsonArray ?? []).Select(v => v.Text()).ToHashSet();
                versions.Add(StorageVersion(current));
                status["storedVersions"] = new JsonArray([.. versions.Select(v => (JsonNode?)v)]);
                current.Child("metadata").Remove("resourceVersion");
                return current;

                JsonNode Condition(string type, string reason, string message) =>
                    new JsonObject
                    {
                        ["type"] = type,
                        ["status"] = "True",
                        ["lastTransitionTime"] = now,
                        ["reason"] = reason,
                        ["message"] = message,
                    };
            },
            [],
            WriteOptions.Internal with
            {
                Manager = "kube-apiserver",
            }
        );
    }

    public void Removed(string name)
    {
        _specs.TryRemove(name, out _);
        kinds.Set(name, []);
    }

    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, string> _specs = new(StringComparer.Ordinal);

    /// <summary>True if the CRD's spec is unchanged. Kinds are then kept, so that caches by kind survive writes of the status.</summary>
    private bool Same(JsonObject crd, string name) => _specs.TryGetValue(name, out var known) && known == Json.ToText(crd.At("spec"));

    private static string StorageVersion(JsonObject crd) =>
        crd.Objects("spec", "versions").FirstOrDefault(v => v.Flag("storage") == true).Text("name") ?? "";

    private static bool StoredVersionKnown(JsonObject crd) =>
        (crd.At("status", "storedVersions") as JsonArray ?? []).Any(v => v.Text() == StorageVersion(crd));

    [LoggerMessage(Level = LogLevel.Warning, Message = "Stored unsupported CEL rule of {Name} without evaluating it: {Rule}")]
    private static partial void LogUnsupportedRule(ILogger logger, string name, string rule);
}
