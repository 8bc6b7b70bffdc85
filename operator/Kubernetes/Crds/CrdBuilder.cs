using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Crds;

/// <summary>Builds the CustomResourceDefinition of a C# type.</summary>
public static class CrdBuilder
{
    public static JsonObject Build([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type type)
    {
        var entity = type.GetCustomAttribute<KubernetesEntityAttribute>()
            ?? throw new ArgumentException($"{type.Name} has no [KubernetesEntity]", nameof(type));
        var scope = type.GetCustomAttribute<EntityScopeAttribute>()?.Scope ?? EntityScope.Namespaced;

        var names = new JsonObject
        {
            ["kind"] = entity.Kind,
            ["listKind"] = entity.Kind + "List",
            ["plural"] = entity.PluralName,
            ["singular"] = entity.Kind.ToLowerInvariant(),
        };
        if (type.GetCustomAttribute<KubernetesEntityShortNamesAttribute>() is { } shortNames)
            names["shortNames"] = new JsonArray([.. shortNames.ShortNames.Select(n => (JsonNode)JsonValue.Create(n))]);

        var version = new JsonObject
        {
            ["name"] = entity.ApiVersion,
            ["served"] = true,
            ["storage"] = true,
            ["schema"] = new JsonObject { ["openAPIV3Schema"] = SchemaBuilder.Build(type) },
        };
        var columns = new JsonArray();
        foreach (var column in type.GetCustomAttributes<GenericAdditionalPrinterColumnAttribute>())
        {
            var entry = new JsonObject
            {
                ["name"] = column.Name,
                ["type"] = column.Type,
                ["jsonPath"] = column.JsonPath,
            };
            if (column.Description is not null)
                entry["description"] = column.Description;
            if (column.Format is not null)
                entry["format"] = column.Format;
            if (column.Priority > 0)
                entry["priority"] = column.Priority;
            columns.Add((JsonNode)entry);
        }
        if (columns.Count > 0)
            version["additionalPrinterColumns"] = columns;
        if (type.GetProperty("Status") is not null)
            version["subresources"] = new JsonObject { ["status"] = new JsonObject() };

        return new()
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{entity.PluralName}.{entity.Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = entity.Group,
                ["names"] = names,
                ["scope"] = scope.ToString(),
                ["versions"] = new JsonArray(version),
            },
        };
    }
}
