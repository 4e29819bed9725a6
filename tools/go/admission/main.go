// Admission says what a Kubernetes API server would answer if objects were created: it runs the API
// server's own code for custom resources (defaults, unknown fields, schema, CEL rules, list keys,
// metadata) on objects and definitions from standard input, without a cluster.
//
// The order of the steps is that of k8s.io/apiextensions-apiserver v0.35: the decoder of
// pkg/apiserver/customresource_handler.go, then Validate of pkg/registry/customresource/strategy.go.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/crossplane/crossplane-runtime/v2/pkg/xcrd"
	xpv1 "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	ext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	extv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	meta "k8s.io/apimachinery/pkg/api/validation"
	pathvalidation "k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/client-go/kubernetes/scheme"
)

// A request holds objects to admit, and files or folders of YAML with the CRDs and XRDs of their kinds.
// Of two definitions of one kind the later counts.
type request struct {
	Definitions []string         `json:"definitions"`
	Objects     []map[string]any `json:"objects"`
}

// An answer is what becomes of one object.
type answer struct {
	// Served is false where no definition, and not Kubernetes itself, has the object's kind and version.
	Served bool `json:"served"`
	// Object is the object with its defaults.
	Object   map[string]any `json:"object"`
	Problems []problem      `json:"problems"`
}

type problem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	// Unknown is true for a field that the schema does not have.
	Unknown bool `json:"unknown"`
}

// A kind is one version of a custom resource.
type kind struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	cel        *cel.Validator
	namespaced bool
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var asked request
	if err := json.NewDecoder(in).Decode(&asked); err != nil {
		return err
	}
	if err := extv1.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	known := definitions{}
	wanted := kinds(asked.Objects)
	for _, path := range asked.Definitions {
		if err := known.readAll(path, wanted); err != nil {
			return err
		}
	}
	answers := make([]answer, 0, len(asked.Objects))
	for _, object := range asked.Objects {
		found, err := known.admit(object)
		if err != nil {
			return err
		}
		answers = append(answers, found)
	}
	return json.NewEncoder(out).Encode(answers)
}

// kinds returns a pattern that finds the kind of any object, as a CRD or XRD writes it.
func kinds(objects []map[string]any) *regexp.Regexp {
	names := []string{}
	for _, object := range objects {
		names = append(names, regexp.QuoteMeta(fmt.Sprint(object["kind"])))
	}
	slices.Sort(names)
	return regexp.MustCompile(`kind: ["']?(?:` + strings.Join(slices.Compact(names), "|") + `)\b`)
}

// Definitions are the CRDs, and those that Crossplane makes of XRDs, by API version and kind.
type definitions map[string]*extv1.CustomResourceDefinition

func (d definitions) readAll(root string, wanted *regexp.Regexp) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, document := range bytes.Split(text, []byte("\n---")) {
			if err := d.parse(document, wanted); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	})
}

// parse adds the definition in a document. CRDs are megabytes: only those of wanted kinds are parsed.
func (d definitions) parse(document []byte, wanted *regexp.Regexp) error {
	crd := bytes.Contains(document, []byte("\nkind: CustomResourceDefinition\n"))
	xrd := bytes.Contains(document, []byte("\nkind: CompositeResourceDefinition\n"))
	if !crd && !xrd || !wanted.Match(document) {
		return nil
	}
	if xrd {
		made := &xpv1.CompositeResourceDefinition{}
		if err := yaml.Unmarshal(document, made); err != nil {
			return err
		}
		return d.addXRD(made)
	}
	made := &extv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(document, made); err != nil {
		return err
	}
	d.add(made)
	return nil
}

func (d definitions) addXRD(xrd *xpv1.CompositeResourceDefinition) error {
	crd, err := xcrd.ForCompositeResource(xrd)
	if err != nil {
		return err
	}
	d.add(crd)
	if xrd.Spec.ClaimNames == nil {
		return nil
	}
	claim, err := xcrd.ForCompositeResourceClaim(xrd)
	if err != nil {
		return err
	}
	d.add(claim)
	return nil
}

func (d definitions) add(crd *extv1.CustomResourceDefinition) {
	for _, version := range crd.Spec.Versions {
		if version.Served {
			d[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = crd
		}
	}
}

// compile prepares the schema of one version of a CRD.
func compile(crd *extv1.CustomResourceDefinition, version string) (*kind, error) {
	internal := &ext.CustomResourceDefinition{}
	if err := extv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, internal, nil); err != nil {
		return nil, err
	}
	found, err := apiSchema(internal, version)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(found)
	if err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(found)
	if err != nil {
		return nil, err
	}
	return &kind{
		structural: structural,
		validator:  validator,
		cel:        cel.NewValidator(structural, true, celconfig.PerCallLimit),
		namespaced: crd.Spec.Scope == extv1.NamespaceScoped,
	}, nil
}

// apiSchema returns a version's schema; one that all versions share stands at the top.
func apiSchema(crd *ext.CustomResourceDefinition, version string) (*ext.JSONSchemaProps, error) {
	if crd.Spec.Validation != nil {
		return crd.Spec.Validation.OpenAPIV3Schema, nil
	}
	for _, candidate := range crd.Spec.Versions {
		if candidate.Name == version && candidate.Schema != nil {
			return candidate.Schema.OpenAPIV3Schema, nil
		}
	}
	return nil, fmt.Errorf("%s has no schema for %s", crd.Name, version)
}

func (d definitions) admit(raw map[string]any) (answer, error) {
	object := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(whole(raw).(map[string]any))}
	gvk := object.GroupVersionKind()
	crd, known := d[gvk.GroupVersion().String()+" "+gvk.Kind]
	if gvk.Kind == "CompositeResourceDefinition" || gvk.Kind == "CustomResourceDefinition" {
		return define(object)
	}
	if !known {
		return builtin(object), nil
	}
	of, err := compile(crd, gvk.Version)
	if err != nil {
		return answer{}, err
	}
	return of.admit(object), nil
}

// define says what an API server would answer if a CRD was created, or those that Crossplane makes of an XRD:
// it refuses all of a CRD for one rule that may cost too much, or that does not compile.
func define(object *unstructured.Unstructured) (answer, error) {
	text, err := json.Marshal(object.Object)
	if err != nil {
		return answer{}, err
	}
	made, xrd, single := definitions{}, &xpv1.CompositeResourceDefinition{}, &extv1.CustomResourceDefinition{}
	if object.GetKind() == "CompositeResourceDefinition" {
		if err = json.Unmarshal(text, xrd); err == nil {
			xrd.UID = "the CRDs' owner"
			err = made.addXRD(xrd)
		}
	} else if err = json.Unmarshal(text, single); err == nil {
		made.add(single)
	}
	if err != nil {
		return answer{}, err
	}
	found := answer{Served: true, Object: object.Object, Problems: []problem{}}
	for _, crd := range made {
		extv1.SetDefaults_CustomResourceDefinition(crd)
		extv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
		internal := &ext.CustomResourceDefinition{}
		if err := extv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, internal, nil); err != nil {
			return answer{}, err
		}
		internal.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
		for _, each := range extvalidation.ValidateCustomResourceDefinition(context.Background(), internal) {
			found.Problems = append(found.Problems, problem{Field: crd.Name + " " + each.Field, Message: each.ErrorBody()})
		}
	}
	return found, nil
}

func (k *kind) admit(object *unstructured.Unstructured) answer {
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	found := answer{Served: true, Problems: []problem{}}
	for _, name := range pruning.PruneWithOptions(object.Object, k.structural, true, options) {
		found.Problems = append(found.Problems, problem{Field: name, Message: "unknown field", Unknown: true})
	}
	if _, _, err := objectmeta.GetObjectMeta(object.Object, false); err != nil {
		found.Problems = append(found.Problems, problem{Field: "metadata", Message: err.Error()})
		return found
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object.Object, k.structural)
	defaulting.Default(object.Object, k.structural)
	wrong := meta.ValidateObjectMetaAccessor(object, k.namespaced, meta.NameIsDNSSubdomain, field.NewPath("metadata"))
	wrong = append(wrong, validation.ValidateCustomResource(nil, object.Object, k.validator)...)
	wrong = append(wrong, objectmeta.Validate(nil, object.Object, k.structural, false)...)
	wrong = append(wrong, listtype.ValidateListSetsAndMaps(nil, k.structural, object.Object)...)
	// The API server leaves the rules out where the object is wrong already; a rule that can be
	// evaluated all the same is one problem more that the user learns of at once.
	for _, each := range wrong {
		found.Problems = append(found.Problems, problem{Field: each.Field, Message: each.ErrorBody()})
	}
	if k.cel != nil {
		rules, _ := k.cel.Validate(context.Background(), nil, k.structural, object.Object, nil, celconfig.RuntimeCELCostBudget)
		for _, each := range rules {
			// The rule's own words, without the object that breaks the rule.
			found.Problems = append(found.Problems, problem{Field: each.Field, Message: each.Detail})
		}
	}
	found.Object = object.Object
	return found
}

// builtin decodes a kind of Kubernetes itself as strictly as the API server decodes it. What lies
// behind decoding (required fields, selectors) only an API server says.
func builtin(object *unstructured.Unstructured) answer {
	gvk := object.GroupVersionKind()
	if !scheme.Scheme.Recognizes(gvk) {
		return answer{Problems: []problem{}}
	}
	found := answer{Served: true, Object: object.Object, Problems: []problem{}}
	text, err := json.Marshal(object.Object)
	if err == nil {
		strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
		_, _, err = strict.UniversalDeserializer().Decode(text, &gvk, nil)
	}
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, each := range strict.Errors() {
			name, is := strings.CutPrefix(each.Error(), "unknown field ")
			found.Problems = append(found.Problems, problem{Field: strings.Trim(name, `"`), Message: "unknown field", Unknown: is})
		}
	} else if err != nil {
		found.Problems = append(found.Problems, problem{Message: err.Error()})
	}
	namespaced := object.GetNamespace() != ""
	for _, each := range meta.ValidateObjectMetaAccessor(object, namespaced, nameRule(object), field.NewPath("metadata")) {
		found.Problems = append(found.Problems, problem{Field: each.Field, Message: each.ErrorBody()})
	}
	return found
}

func nameRule(object *unstructured.Unstructured) meta.ValidateNameFunc {
	switch {
	case object.GroupVersionKind().Group == "rbac.authorization.k8s.io":
		return pathvalidation.ValidatePathSegmentName
	case object.GetKind() == "Namespace":
		return meta.NameIsDNSLabel
	case object.GetKind() == "Service":
		return meta.NameIsDNS1035Label
	}
	return meta.NameIsDNSSubdomain
}

// whole returns JSON with whole numbers as int64, as Kubernetes' own decoder makes them.
func whole(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		for key, each := range typed {
			typed[key] = whole(each)
		}
	case []any:
		for i, each := range typed {
			typed[i] = whole(each)
		}
	case float64:
		if typed == float64(int64(typed)) {
			return int64(typed)
		}
	}
	return value
}
