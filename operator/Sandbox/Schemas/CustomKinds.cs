using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Schemas;

/// <summary>Converts a CustomResourceDefinition to the kinds that it serves.</summary>
public static class CustomKinds
{
    /// <summary>
    /// Returns the served versions of a CRD. If it is invalid, <paramref name="errors"/> has one sentence per error, each with the path of
    /// the field, and the kinds must not be served. Valid CEL rules that are not supported are added to <paramref name="unsupported"/>.
    /// </summary>
    public static IReadOnlyList<KindInfo> FromCrd(JsonObject crd, List<string> errors, List<string>? unsupported = null)
    {
        ArgumentNullException.ThrowIfNull(crd);
        ArgumentNullException.ThrowIfNull(errors);
        if (crd["spec"] is not JsonObject spec)
        {
            errors.Add("spec: Required value");
            return [];
        }

        var names = spec["names"] as JsonObject ?? [];
        var group = Text(spec, "group");
        var plural = Text(names, "plural");
        var kind = Text(names, "kind");
        var scope = Text(spec, "scope");
        CheckNames(crd, group, plural, kind, scope, errors);

        var kinds = new List<KindInfo>();
        var versions = spec["versions"] as JsonArray ?? [];
        if (versions.Count == 0)
        {
            errors.Add("spec.versions: Required value: at least one version is needed");
        }

        var stored = 0;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < versions.Count; i++)
        {
            var path = $"spec.versions[{i}]";
            if (versions[i] is not JsonObject version)
            {
                errors.Add($"{path}: Invalid value: an object is needed");
                continue;
            }

            var name = Text(version, "name");
            if (!Names.IsLabel(name))
            {
                errors.Add(
                    $"{path}.name: Invalid value: \"{name}\": a version consists of lower case letters, digits and '-', begins with a letter and ends with a letter or digit"
                );
            }
            else if (!seen.Add(name))
            {
                errors.Add($"{path}.name: Duplicate value: \"{name}\"");
            }

            var isStorage = Flag(version, "storage");
            stored += isStorage ? 1 : 0;
            var schema = ReadSchema(version, path, ComponentName(group, name, kind), errors, unsupported ?? []);
            if (!Flag(version, "served"))
            {
                continue;
            }

            kinds.Add(
                new KindInfo
                {
                    Group = group,
                    Version = name,
                    Kind = kind,
                    Plural = plural,
                    Namespaced = scope == "Namespaced",
                    Schema = schema,
                    Singular = Text(names, "singular") is { Length: > 0 } singular ? singular : kind.ToLowerInvariant(),
                    ListKind = Text(names, "listKind") is { Length: > 0 } list ? list : kind + "List",
                    ShortNames = Texts(names, "shortNames"),
                    Categories = Texts(names, "categories"),
                    HasStatus = version["subresources"]?["status"] is JsonObject,
                    Scale = ReadScale(version["subresources"]?["scale"] as JsonObject, path + ".subresources.scale", errors),
                    IsCustom = true,
                    IsStorage = isStorage,
                    Columns = ReadColumns(version["additionalPrinterColumns"] as JsonArray, path, errors),
                }
            );
        }

        if (versions.Count > 0 && stored != 1)
        {
            errors.Add("spec.versions: Invalid value: exactly one version must be the storage version");
        }

        return kinds;
    }

    private static void CheckNames(JsonObject crd, string group, string plural, string kind, string scope, List<string> errors)
    {
        foreach (
            var (path, value) in (ReadOnlySpan<(string, string)>)
                [("spec.group", group), ("spec.names.plural", plural), ("spec.names.kind", kind), ("spec.scope", scope)]
        )
        {
            if (value.Length == 0)
            {
                errors.Add($"{path}: Required value");
            }
        }

        if (group.Length > 0 && !group.Contains('.', StringComparison.Ordinal))
        {
            errors.Add($"spec.group: Invalid value: \"{group}\": should be a domain with at least one dot");
        }

        if (plural.Length > 0 && !Names.IsLabel(plural))
        {
            errors.Add(
                $"spec.names.plural: Invalid value: \"{plural}\": a plural consists of lower case letters, digits and '-', begins with a letter and ends with a letter or digit"
            );
        }

        if (scope is not ("" or "Namespaced" or "Cluster"))
        {
            errors.Add($"spec.scope: Unsupported value: \"{scope}\": supported values: \"Cluster\", \"Namespaced\"");
        }

        var name = crd["metadata"] is JsonObject metadata ? Text(metadata, "name") : "";
        if (group.Length > 0 && plural.Length > 0 && name != $"{plural}.{group}")
        {
            errors.Add($"metadata.name: Invalid value: \"{name}\": must be spec.names.plural+\".\"+spec.group");
        }
    }

    private static TypeSchema ReadSchema(JsonObject version, string path, string name, List<string> errors, List<string> unsupported)
    {
        path += ".schema.openAPIV3Schema";
        if (version["schema"]?["openAPIV3Schema"] is not JsonObject source)
        {
            errors.Add($"{path}: Required value: schemas are required");
            source = new JsonObject { ["type"] = "object" };
        }
        else if (Text(source, "type") != "object")
        {
            errors.Add($"{path}.type: Invalid value: \"{Text(source, "type")}\": must be object at the root");
            return new TypeSchema
            {
                Name = name,
                Type = SchemaType.Object,
                PreserveUnknownFields = true,
            };
        }

        return new StructuralSchema(errors, unsupported).ReadRoot(source, path, name);
    }

    private static ScalePaths? ReadScale(JsonObject? scale, string path, List<string> errors)
    {
        if (scale is null)
        {
            return null;
        }

        foreach (var name in (ReadOnlySpan<string>)["specReplicasPath", "statusReplicasPath"])
        {
            var prefix = name == "specReplicasPath" ? ".spec." : ".status.";
            var value = Text(scale, name);
            if (value.Length == 0)
            {
                errors.Add($"{path}.{name}: Required value");
            }
            else if (!value.StartsWith(prefix, StringComparison.Ordinal))
            {
                errors.Add($"{path}.{name}: Invalid value: \"{value}\": should be a json path under {prefix.TrimEnd('.')}");
            }
        }

        return new ScalePaths(
            Text(scale, "specReplicasPath"),
            Text(scale, "statusReplicasPath"),
            Text(scale, "labelSelectorPath") is { Length: > 0 } selector ? selector : null
        );
    }

    private static List<ColumnInfo> ReadColumns(JsonArray? columns, string path, List<string> errors)
    {
        var read = new List<ColumnInfo>();
        for (var i = 0; i < (columns?.Count ?? 0); i++)
        {
            var at = $"{path}.additionalPrinterColumns[{i}]";
            if (columns![i] is not JsonObject column)
            {
                errors.Add($"{at}: Invalid value: an object is needed");
                continue;
            }

            var info = new ColumnInfo(
                Text(column, "name"),
                Text(column, "type"),
                Text(column, "jsonPath"),
                Text(column, "format"),
                Text(column, "description"),
                column["priority"] is JsonValue priority && SchemaNumbers.TryInteger(priority, out var number) ? (int)number : 0
            );
            foreach (
                var (name, value) in (ReadOnlySpan<(string, string)>)[("name", info.Name), ("type", info.Type), ("jsonPath", info.JsonPath)]
            )
            {
                if (value.Length == 0)
                {
                    errors.Add($"{at}.{name}: Required value");
                }
            }

            if (info.Type is not ("" or "integer" or "number" or "string" or "boolean" or "date"))
            {
                errors.Add($"{at}.type: Invalid value: \"{info.Type}\": must be one of boolean,date,integer,number,string");
            }

            if (info.JsonPath.Length > 0 && Values.JsonPath.TryParse(info.JsonPath, out _, out var problem) is false)
            {
                errors.Add($"{at}.jsonPath: Invalid value: \"{info.JsonPath}\": {problem}");
            }

            read.Add(info);
        }

        return read;
    }

    /// <summary>Returns the component name like an API server: the labels of the group in reverse order.</summary>
    private static string ComponentName(string group, string version, string kind) =>
        $"{string.Join('.', group.Split('.').Reverse())}.{version}.{kind}";

    private static string Text(JsonObject source, string name) =>
        source[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";

    private static bool Flag(JsonObject source, string name) =>
        source[name] is JsonValue value && value.TryGetValue<bool>(out var flag) && flag;

    private static List<string> Texts(JsonObject source, string name) =>
        [
            .. (source[name] as JsonArray ?? [])
                .OfType<JsonValue>()
                .Select(v => v.TryGetValue<string>(out var text) ? text : "")
                .Where(t => t.Length > 0),
        ];
}
