using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Crds;

/// <summary>
/// Collects the rights in the attributes of an assembly's types. The result has the rules of the ClusterRole, of each option of the chart,
/// and of a Role for each namespace: <c>{cluster: [...], options: {Job: [...]}, namespaces: {own: [...]}}</c>.
/// </summary>
public static class RbacBuilder
{
    [RequiresUnreferencedCode("Walks every type of the assembly.")]
    public static JsonObject Build(Assembly assembly)
    {
        var cluster = new Rights();
        var options = new SortedDictionary<string, Rights>(StringComparer.Ordinal);
        Rights RightsOf(string option)
        {
            if (option.Length == 0)
                return cluster;
            if (!options.TryGetValue(option, out var rights))
                options.Add(option, rights = new());
            return rights;
        }
        var namespaces = new SortedDictionary<string, Rights>(StringComparer.Ordinal);
        foreach (var type in assembly.GetTypes())
        {
            foreach (var right in type.GetCustomAttributes<EntityRbacAttribute>())
            foreach (var entity in right.Entities)
                RightsOf(right.Option).Add(entity, [], right.Verbs);
            foreach (var right in type.GetCustomAttributes<GenericRbacAttribute>())
            {
                if (right.Names.Length > 0 && right.Verbs.HasFlag(RbacVerb.Create))
                    throw new InvalidOperationException($"{type.Name}: the right to create cannot be bound to names");
                foreach (var group in right.Groups)
                foreach (var resource in right.Resources)
                    RightsOf(right.Option).Add(group, resource, right.Names, right.Verbs);
                RightsOf(right.Option).AddUrls(right.Urls, right.Verbs);
            }
            foreach (var right in type.GetCustomAttributes<NamespaceRbacAttribute>())
            {
                if (right.Names.Length > 0 && right.Verbs.HasFlag(RbacVerb.Create))
                    throw new InvalidOperationException($"{type.Name}: the right to create cannot be bound to names");
                if (!namespaces.TryGetValue(right.Namespace, out var rights))
                    namespaces.Add(right.Namespace, rights = new());
                foreach (var entity in right.Entities)
                    rights.Add(entity, right.Names, right.Verbs);
            }
        }

        var optional = new JsonObject();
        foreach (var (name, rights) in options)
            optional[name] = rights.ToRules();
        var roles = new JsonObject();
        foreach (var (name, rights) in namespaces)
            roles[name] = rights.ToRules();
        return new()
        {
            ["cluster"] = cluster.ToRules(),
            ["options"] = optional,
            ["namespaces"] = roles,
        };
    }

    private sealed class Rights
    {
        // Rights on the same resource are merged, and resources with equal verbs share a rule.
        private readonly SortedDictionary<(string Group, string Names, string Resource), RbacVerb> _resources = [];
        private readonly SortedDictionary<string, RbacVerb> _urls = new(StringComparer.Ordinal);

        public void Add(Type entity, string[] names, RbacVerb verbs)
        {
            var kind = entity.GetCustomAttribute<KubernetesEntityAttribute>()
                ?? throw new InvalidOperationException($"{entity.Name} has no [KubernetesEntity]");
            Add(kind.Group, kind.PluralName, names, verbs);
        }

        public void Add(string group, string resource, string[] names, RbacVerb verbs)
        {
            var key = (group, string.Join(' ', names.Order(StringComparer.Ordinal)), resource);
            _resources[key] = _resources.GetValueOrDefault(key) | verbs;
        }

        public void AddUrls(string[] urls, RbacVerb verbs)
        {
            foreach (var url in urls)
                _urls[url] = _urls.GetValueOrDefault(url) | verbs;
        }

        public JsonArray ToRules()
        {
            var rules = new JsonArray();
            foreach (
                var rule in _resources
                    .GroupBy(r => (r.Key.Group, r.Key.Names, Verbs: r.Value))
                    .OrderBy(r => r.Key.Group, StringComparer.Ordinal)
                    .ThenBy(r => r.First().Key.Resource, StringComparer.Ordinal)
                    .ThenBy(r => r.Key.Names, StringComparer.Ordinal)
            )
            {
                var entry = new JsonObject
                {
                    ["apiGroups"] = Strings([rule.Key.Group]),
                    ["resources"] = Strings(rule.Select(r => r.Key.Resource).Order(StringComparer.Ordinal)),
                    ["verbs"] = Names(rule.Key.Verbs),
                };
                if (rule.Key.Names.Length > 0)
                    entry["resourceNames"] = Strings(rule.Key.Names.Split(' '));
                rules.Add((JsonNode)entry);
            }
            foreach (var rule in _urls.GroupBy(u => u.Value))
                rules.Add((JsonNode)new JsonObject { ["nonResourceURLs"] = Strings(rule.Select(u => u.Key)), ["verbs"] = Names(rule.Key) });
            return rules;
        }

        private static JsonArray Names(RbacVerb verbs) =>
            Strings(
                new[] { RbacVerb.Get, RbacVerb.List, RbacVerb.Watch, RbacVerb.Create, RbacVerb.Update, RbacVerb.Patch, RbacVerb.Delete }
                    .Where(v => verbs.HasFlag(v))
                    .Select(v => v.ToString().ToLowerInvariant())
            );

        private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(v => (JsonNode)JsonValue.Create(v))]);
    }
}
