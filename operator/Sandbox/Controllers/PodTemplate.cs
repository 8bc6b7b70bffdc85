using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>Creates pods and templates of ReplicaSets from a template, including unknown fields.</summary>
internal static class PodTemplate
{
    public static JsonObject Pod(JsonElement template, string name, string ns, JsonObject owner)
    {
        var copy = Copy(template);
        var metadata = Object(copy, "metadata");
        metadata["name"] = name;
        metadata["namespace"] = ns;
        metadata["ownerReferences"] = new JsonArray(owner);
        return new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = metadata.DeepClone(),
            ["spec"] = copy["spec"]?.DeepClone() ?? new JsonObject(),
        };
    }

    public static JsonObject Copy(JsonElement template) =>
        template.ValueKind == JsonValueKind.Object ? JsonObject.Create(template)!.DeepClone().AsObject() : [];

    public static JsonObject Object(JsonObject parent, string name)
    {
        if (parent[name] is JsonObject present)
            return present;
        var created = new JsonObject();
        parent[name] = created;
        return created;
    }

    public static JsonObject Owner(IKubernetesObject owner) =>
        new()
        {
            ["apiVersion"] = owner.ApiVersion,
            ["kind"] = owner.Kind,
            ["name"] = owner.Metadata.Name,
            ["uid"] = owner.Metadata.Uid,
            ["controller"] = true,
            ["blockOwnerDeletion"] = true,
        };
}
